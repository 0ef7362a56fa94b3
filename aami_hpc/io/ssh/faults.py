"""What an exception of the library or the system means for a host: one table for each of the two."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncssh

from aami_hpc.errors import SystemFault
from aami_hpc.io.ssh.outcome import Failed, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

_ERRNO = {
    errno.ECONNREFUSED: Kind.REFUSED,
    errno.EHOSTUNREACH: Kind.NO_ROUTE,
    errno.ENETUNREACH: Kind.NO_ROUTE,
    errno.EHOSTDOWN: Kind.NO_ROUTE,
    errno.ENETDOWN: Kind.NO_ROUTE,
    errno.EACCES: Kind.NO_ROUTE,  # a local firewall rule, or an `unreachable` route of type prohibit
    errno.EPERM: Kind.NO_ROUTE,
    errno.EADDRNOTAVAIL: Kind.NO_ROUTE,
    errno.EAFNOSUPPORT: Kind.NO_ROUTE,
    errno.ETIMEDOUT: Kind.TIMEOUT,
}
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}

# What a jump host's sshd says when it can't connect further.
_THROUGH_JUMP = (
    ("refused", Kind.REFUSED),
    ("no route", Kind.NO_ROUTE),
    ("unreachable", Kind.NO_ROUTE),
    ("timed out", Kind.TIMEOUT),
    ("resolve", Kind.NAME_UNKNOWN),
    ("not known", Kind.NAME_UNKNOWN),
    ("name", Kind.NAME_UNKNOWN),
)
_PAM_SLURM_ADOPT = re.compile(r"access denied by pam_slurm_adopt.*", re.IGNORECASE)
_TOO_MANY = "too many authentication failures"
_CUT = 200  # characters of outside text that a detail may hold
_GSSAPI = "gssapi-with-mic"


@dataclass(slots=True)
class Heard:
    """What was seen of a host while we logged in."""

    stage: str = "connecting"
    banners: list[str] = field(default_factory=list)
    offered: set[str] = field(default_factory=set)  # ways to log in that the host names
    key_verdict: Failed | None = None
    proxy: Callable[[], str] | None = None  # the last words of the program we go through
    gssapi_missing: bool = False  # wanted, but the Python package is not here


def explain(error: BaseException, heard: Heard) -> Failed:
    """The outcome an exception stands for, while a connection is made."""
    for kinds, meaning in _MEANINGS:
        if isinstance(error, kinds):
            found = meaning(error, heard)
            said = heard.proxy() if heard.proxy and found.kind in {Kind.CONNECTION_LOST, Kind.TIMEOUT} else ""
            return Failed(found.kind, f"The proxy program says: {said}") if said else found
    return Failed(
        Kind.CONNECTION_LOST, _short(f"It sent what we can't read ({type(error).__name__}: {error})")
    )


def last_words(text: str) -> str:
    """The last line that says something, cut to a readable length."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _short(lines[-1]) if lines else ""


def _late(_: BaseException, heard: Heard) -> Failed:
    return Failed(Kind.TIMEOUT, f"While {heard.stage}")


def _nameless(error: socket.gaierror, _: Heard) -> Failed:
    return Failed(Kind.NAME_UNKNOWN, error.strerror or "")


def _unwritable(_: UnicodeError, __: Heard) -> Failed:
    return Failed(Kind.NAME_UNKNOWN, "It can't be written as a DNS name")


def _system(error: OSError, _: Heard) -> Failed:
    if error.errno in _OURS:
        raise SystemFault(
            "This machine can't open more connections",
            cause=error.strerror or str(error),
            hint="Raise the limit (`ulimit -n`) or lower ssh.connections",
        ) from error
    kind = _ERRNO.get(error.errno or 0, Kind.CONNECTION_LOST)
    said = os.strerror(error.errno) if error.errno else _short(str(error))
    return Failed(kind, said if kind is not Kind.REFUSED else "")


def _through_jump(error: asyncssh.ChannelOpenError, _: Heard) -> Failed:
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        return Failed(Kind.REFUSED, "The jump host forbids forwarding (AllowTcpForwarding, PermitOpen)")
    said = error.reason.lower()
    closed = (
        Kind.CONNECTION_LOST if "closed" in said else Kind.NO_ROUTE
    )  # sshd gives no reason where it has no route
    kind = next((kind for words, kind in _THROUGH_JUMP if words in said), closed)
    return Failed(kind, _short(f"The jump host says: {error.reason}"))


def _library(error: asyncssh.Error, heard: Heard) -> Failed:
    said = "\n".join(heard.banners)
    adopt = _PAM_SLURM_ADOPT.search(said)
    if adopt:
        return Failed(Kind.PAM_SLURM_ADOPT, _short(adopt[0]))
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return heard.key_verdict or _unverified(error)
    if isinstance(error, asyncssh.PermissionDenied) or _TOO_MANY in error.reason.lower():
        return Failed(Kind.AUTHENTICATION, _refusal(error, heard))
    if heard.stage == "logging in" and said.strip():
        return Failed(
            Kind.AUTHENTICATION, last_words(said)
        )  # PAM's account check speaks in a banner and hangs up
    return Failed(Kind.CONNECTION_LOST, _where(error, heard))


def _where(error: asyncssh.Error, heard: Heard) -> str:
    return f"While {heard.stage}" if isinstance(error, asyncssh.ConnectionLost) else _short(error.reason)


def _unverified(error: asyncssh.HostKeyNotVerifiable) -> Failed:
    """A certificate or revoked key: the library alone has looked at it."""
    if "revoked" in error.reason:
        return Failed(Kind.HOST_KEY_CHANGED, "The host shows a key that is revoked")
    reason = error.reason.partition(" for host ")[0]
    return Failed(Kind.HOST_KEY_UNKNOWN, _short(f"Its certificate does not hold: {reason}"))


def _refusal(error: asyncssh.Error, heard: Heard) -> str:
    if _TOO_MANY in error.reason.lower():
        return "Too many keys were tried: set ssh.identity_files, or IdentitiesOnly in the ssh configuration"
    if heard.gssapi_missing and _GSSAPI in heard.offered:
        return "No key was accepted. The host offers GSSAPI: the Python package gssapi is missing here"
    return (
        "No key was accepted"
        if "publickey" in heard.offered
        else "The host accepts none of our ways to log in"
    )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _CUT else text[: _CUT - 1] + "…"


# Read from top to bottom: the first class that fits counts.
_MEANINGS: tuple[
    tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[[Any, Heard], Failed]], ...
] = (
    ((asyncio.TimeoutError, TimeoutError), _late),
    (socket.gaierror, _nameless),
    (OSError, _system),
    (asyncssh.ChannelOpenError, _through_jump),
    (asyncssh.Error, _library),
    (UnicodeError, _unwritable),
)
