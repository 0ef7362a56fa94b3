"""Opens connections: plans, keys, known hosts and jump hosts of one run, each looked up once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncssh

from aami_hpc.io.ssh.arguments import Prepared
from aami_hpc.io.ssh.aside import aside
from aami_hpc.io.ssh.client_config import default_paths, read_config
from aami_hpc.io.ssh.keys import Keys
from aami_hpc.io.ssh.known_hosts import KnownHosts, Trust, read_known_hosts, read_revoked, remember
from aami_hpc.io.ssh.login import Login, log_in
from aami_hpc.io.ssh.outcome import Failed, Kind
from aami_hpc.io.ssh.plan import Local, hop, make_plan
from aami_hpc.io.ssh.proxy import Proxies

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aami_hpc.io.ssh.limits import Limits
    from aami_hpc.io.ssh.options import SshOptions, Target
    from aami_hpc.io.ssh.plan import Plan

_DEEPEST = 8  # jump hosts behind jump hosts; more is a circle


class Doors:
    """What is needed to reach hosts, shared by all of them."""

    def __init__(self, options: SshOptions, limits: Limits, local: Local) -> None:
        self._options = options
        self._limits = limits
        self._local = local
        paths = (options.config_file,) if options.config_file else default_paths(local.home)
        self._config = read_config(paths)
        self._keys = Keys(options, local)
        self._proxies = Proxies()
        self._known: dict[tuple[Path, ...], KnownHosts] = {}
        self._revoked: dict[Path, tuple[asyncssh.SSHKey, ...]] = {}
        self._jumps: dict[tuple[str, ...], asyncio.Task[asyncssh.SSHClientConnection]] = {}
        self._fresh: dict[Path, list[tuple[Plan, asyncssh.SSHKey]]] = {}
        self._remarks: dict[str, None] = dict.fromkeys(self._config.remarks)

    @property
    def remarks(self) -> list[str]:
        """What a person should know about how we connected, each thing once."""
        found = [*self._remarks, *self._keys.remarks]
        for known in self._known.values():
            found += known.remarks
        return list(dict.fromkeys(found))

    async def open(self, target: Target) -> asyncssh.SSHClientConnection:
        """A connection that is logged in; Failed tells why there is none."""
        return await self._open(target, self._options)

    async def close(self) -> None:
        """Leave the jump hosts and keep what was learnt."""
        for task in self._jumps.values():
            task.cancel()
        for result in await asyncio.gather(*self._jumps.values(), return_exceptions=True):
            if isinstance(result, asyncssh.SSHClientConnection):
                result.abort()
        self._proxies.close()
        await self._keys.close()
        fresh, self._fresh = self._fresh, {}
        for path, found in fresh.items():
            known = remember(path, sorted(found, key=lambda one: one[0].target))
            self._note(
                f"{name} became known to {path} by somebody else: its key was not added" for name in known
            )

    async def _open(self, target: Target, options: SshOptions) -> asyncssh.SSHClientConnection:
        plan = await self._plan(target, options)
        prepared = Prepared(plan, self._trust(plan), tuple(await self._keys.for_plan(plan)))
        login = Login(prepared, accept_new=self._options.accept_new_host_keys)
        try:
            if plan.jump:
                async with self._limits.through(",".join(plan.jump)):
                    return await log_in(login, self._options, await self._jump(plan.jump))
            if plan.proxy_command:
                async with self._limits.through("program"):
                    return await log_in(login, self._options, self._proxies)
            return await log_in(login, self._options)
        finally:
            if login.new_key is not None and login.proved:
                self._learn(plan, login.new_key)

    async def _plan(self, target: Target, options: SshOptions) -> Plan:
        if self._config.runs_programs:
            plan = await aside(lambda: make_plan(target, options, self._config, self._local))
        else:
            plan = make_plan(target, options, self._config, self._local)
        self._note(plan.remarks)
        return plan

    def _trust(self, plan: Plan) -> Trust:
        files = (*plan.known_hosts, *plan.global_known_hosts)
        if files not in self._known:
            self._known[files] = read_known_hosts(files)
        trust = self._known[files].trust(plan)
        if plan.revoked is None:
            return trust
        if plan.revoked not in self._revoked:
            self._revoked[plan.revoked] = read_revoked(plan.revoked)
        revoked = (*trust.revoked, *self._revoked[plan.revoked])
        return Trust(trust.keys, trust.authorities, revoked, trust.known)

    async def _jump(self, hops: tuple[str, ...]) -> asyncssh.SSHClientConnection:
        """The one connection to a jump host, shared by all hosts behind it, and by those that come later."""
        if hops not in self._jumps:
            await self._refuse_circle(hops)
        if hops not in self._jumps:
            opening = self._open(hop(hops[-1]), self._hop_options(hops))
            self._jumps[hops] = asyncio.ensure_future(opening)
        try:
            return await asyncio.shield(self._jumps[hops])
        except Failed as failed:
            raise Failed(failed.kind, f"Jump host {hops[-1]}: {failed.detail}", failed.evidence) from failed

    async def _refuse_circle(self, hops: tuple[str, ...]) -> None:
        for _ in range(_DEEPEST):
            if not hops:
                return
            hops = (await self._plan(hop(hops[-1]), self._hop_options(hops))).jump
        raise Failed(Kind.NAME_UNKNOWN, "The jump hosts of the ssh configuration lead in a circle")

    def _hop_options(self, hops: tuple[str, ...]) -> SshOptions:
        """A hop is reached through the ones before it, with a user and port of its own, as in ssh."""
        return replace(self._options, user="", port=None, proxy_jump=",".join(hops[:-1]))

    def _learn(self, plan: Plan, key: asyncssh.SSHKey) -> None:
        self._fresh.setdefault(plan.known_hosts[0], []).append((plan, key))

    def _note(self, remarks: Iterable[str]) -> None:
        self._remarks.update(dict.fromkeys(remarks))
