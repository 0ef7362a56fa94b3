"""One login on one host: what is offered, what is checked, and what became of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

import asyncssh

from aami_hpc.io.ssh.arguments import arguments, has_gssapi
from aami_hpc.io.ssh.dial import dial
from aami_hpc.io.ssh.faults import Heard, explain
from aami_hpc.io.ssh.outcome import Failed, Kind
from aami_hpc.io.ssh.proxy import Proxies

if TYPE_CHECKING:
    from aami_hpc.io.ssh.arguments import Prepared
    from aami_hpc.io.ssh.options import SshOptions

Way: TypeAlias = asyncssh.SSHClientConnection | Proxies | None

# The library reads what a host sends: whatever it stumbles over there must not end the work on other hosts.
_STUMBLES = (ValueError, LookupError, AssertionError, AttributeError, TypeError)
_BANNERS = 10  # a hostile host may send them without end
_BANNER = 4096


class Login(asyncssh.SSHClient):
    """Listens to one login; the host key is judged here when it is not among the known ones."""

    def __init__(self, prepared: Prepared, *, accept_new: bool) -> None:
        self.prepared = prepared
        self.heard = Heard()
        self.new_key: asyncssh.SSHKey | None = None  # accepted; to be remembered once the host has proved it
        self.proved = False
        self._accept_new = accept_new
        self._connection: asyncssh.SSHClientConnection | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn
        self.heard.stage = "exchanging keys"

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
        if self.prepared.trust.known:
            known = ", ".join(one.get_fingerprint() for one in self.prepared.trust.keys)
            self.heard.key_verdict = Failed(
                Kind.HOST_KEY_CHANGED,
                "The host shows another key than the known one",
                f"{shown}, known {known}",
            )
            return False
        if self.prepared.trust.authorities:
            self.heard.key_verdict = Failed(
                Kind.HOST_KEY_UNKNOWN, "It shows no certificate, and only its authority is known", shown
            )
            return False
        if self._accept_new:
            self.new_key = key
            return True
        self.heard.key_verdict = Failed(Kind.HOST_KEY_UNKNOWN, "No key is known for it", shown)
        return False

    def begin_auth(self, username: str) -> None:  # noqa: ARG002
        self.proved = True  # the key exchange is over: the host holds the key it showed
        self.heard.stage = "logging in"

    def auth_banner_received(self, msg: str, lang: str) -> None:  # noqa: ARG002
        if len(self.heard.banners) < _BANNERS:
            self.heard.banners.append(msg[:_BANNER])

    def public_key_auth_requested(self) -> None:
        self._note_ways()

    def password_auth_requested(self) -> None:
        self._note_ways()

    def kbdint_auth_requested(self) -> None:
        self._note_ways()

    def _note_ways(self) -> None:
        """Our keys are used up: see what else the host would have taken."""
        if self._connection is not None:
            self.heard.offered.update(self._connection.get_server_auth_methods())


async def log_in(login: Login, options: SshOptions, way: Way = None) -> asyncssh.SSHClientConnection:
    """Connect and log in within the time for it; Failed tells how it ended otherwise.

    The way is direct, through a jump host's connection, or through a program.
    """
    try:
        return await asyncio.wait_for(_connect(login, options, way), options.connect_timeout)
    except (OSError, asyncssh.Error, asyncio.TimeoutError, *_STUMBLES) as error:
        raise explain(error, login.heard) from error


async def _connect(login: Login, options: SshOptions, way: Way) -> asyncssh.SSHClientConnection:
    plan, sock, tunnel = login.prepared.plan, None, None
    found = arguments(login.prepared, options, direct=way is None)
    login.heard.gssapi_missing = plan.gssapi and not has_gssapi()
    if way is None:
        sock = await dial(plan)
    elif isinstance(way, Proxies):
        sock, proxy = way.start(plan.proxy_command)
        login.heard.proxy = proxy.why
    else:
        tunnel = way
    try:
        return await asyncssh.connect(
            plan.address, plan.port, tunnel=tunnel, sock=sock, client_factory=lambda: login, **found
        )
    except BaseException:
        if sock is not None:
            sock.close()
        raise
