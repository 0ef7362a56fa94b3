"""Keys to log in with: files and the agent, each read once however many hosts ask for them."""

from __future__ import annotations

import asyncio
import copy
import os
from typing import TYPE_CHECKING

import asyncssh

from aami_hpc.errors import SshAuthentication

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.io.ssh.options import SshOptions
    from aami_hpc.io.ssh.plan import Local, Plan

_DEFAULTS = ("id_ed25519", "id_ecdsa", "id_rsa")
_ENCRYPTED = (asyncssh.KeyEncryptionError, asyncssh.KeyImportError)


class Keys:
    """The keys of one run. Connections get copies: a key pair carries the algorithm it was last used with."""

    def __init__(self, options: SshOptions, local: Local) -> None:
        self._options = options
        self._home = local.home
        self._files: dict[tuple[Path, tuple[Path, ...]], list[asyncssh.SSHKeyPair]] = {}
        self._agents: dict[str, asyncssh.SSHAgentClient] = {}
        self._held: dict[str, list[asyncssh.SSHKeyPair]] = {}
        self._public: dict[Path, bytes] = {}
        self._asking = asyncio.Lock()
        self.remarks: list[str] = []

    async def for_plan(self, plan: Plan) -> list[asyncssh.SSHKeyPair]:
        """Keys in the order they are offered: what was configured first, then the rest of the agent."""
        paths = plan.identities or tuple(self._home / ".ssh" / name for name in _DEFAULTS)
        held = await self._of_agent(plan.agent)
        wanted = {self._public_of(path) for path in paths}
        pairs = [pair for pair in held if plan.identities and pair.public_data in wanted]
        there = {pair.public_data for pair in held}
        for path in paths:
            if self._public_of(path) not in there:
                pairs += self._of_file(path, plan.certificates)
        if not plan.identities_only:
            pairs += [pair for pair in held if pair not in pairs]
        return [copy.copy(pair) for pair in pairs]

    async def close(self) -> None:
        for agent in self._agents.values():
            agent.close()
            await agent.wait_closed()

    async def _of_agent(self, path: str) -> list[asyncssh.SSHKeyPair]:
        if not path:
            return []
        async with self._asking:
            if path not in self._held:
                agent = self._agents.setdefault(path, asyncssh.SSHAgentClient(path))
                try:
                    self._held[path] = list(await agent.get_keys())
                except (ValueError, OSError) as error:
                    self._held[path] = []
                    self.remarks.append(f"The ssh agent at {path} does not answer: {error}")
        return self._held[path]

    def _of_file(self, path: Path, certificates: tuple[Path, ...]) -> list[asyncssh.SSHKeyPair]:
        """The key of a file, and its certificate if there is one."""
        place = (path, certificates)
        if place not in self._files:
            self._files[place] = self._load(path, [str(one) for one in certificates if one.is_file()])
        return self._files[place]

    def _load(self, path: Path, certificates: list[str]) -> list[asyncssh.SSHKeyPair]:
        named = path in self._options.identity_files
        try:
            return list(asyncssh.load_keypairs(str(path), self._options.key_passphrase or None, certificates))
        except OSError as error:
            if named:
                raise _unusable(path, error.strerror or str(error), "Check ssh.identity_files") from error
            if os.path.lexists(path):
                self.remarks.append(f"{path} is not used: {error.strerror}")
        except _ENCRYPTED as error:
            if path.suffix == ".pub":  # its private half is expected in the agent
                return []
            why, hint = _explained(error, passphrase=bool(self._options.key_passphrase))
            if named:
                raise _unusable(path, why, hint) from error
            self.remarks.append(f"{path} is not used: {why}. {hint}")
        return []

    def _public_of(self, path: Path) -> bytes:
        """The public half, from the file beside the key: enough to recognise it in the agent."""
        if path not in self._public:
            beside = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
            try:
                self._public[path] = asyncssh.read_public_key(str(beside)).public_data
            except (OSError, asyncssh.KeyImportError):
                self._public[path] = b""
        return self._public[path]


def _explained(error: Exception, *, passphrase: bool) -> tuple[str, str]:
    text = str(error)
    if "bcrypt" in text:
        return (
            "It has a passphrase and the Python package bcrypt is missing",
            "Install bcrypt, or use the agent",
        )
    if passphrase:
        return (
            "Its passphrase is not the one in ssh.key_passphrase",
            "Correct it, or add the key to the agent",
        )
    if text.startswith("Passphrase"):
        return "It has a passphrase", "Add it to the agent (`ssh-add`), or set ssh.key_passphrase"
    return f"It can't be read as a private key ({text})", "Name a private key file"


def _unusable(path: Path, cause: str, hint: str) -> SshAuthentication:
    return SshAuthentication(f"Can't use the key {path}", cause=cause, hint=hint)
