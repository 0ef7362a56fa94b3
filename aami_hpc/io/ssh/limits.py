"""How many hosts at once: connected, receiving files, being disrupted. And what this process may open."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aami_hpc.io.ssh.options import SshOptions

_OWN = 64  # descriptors for everything that is no connection
_PER_HOST = 4  # a socket, or a proxy program's pipes
THROUGH_ONE = (
    8  # logins at once through one jump host or proxy: its sshd drops them from ten on (MaxStartups)
)


@dataclass(frozen=True, slots=True)
class Granted:
    """How many connections there may be, and what to say if that is less than was asked for."""

    connections: int
    remark: str = ""


def grant(wanted: int, soft: int, hard: int) -> tuple[Granted, int]:
    """Connections for these limits of `nofile`, and the soft limit to set for them."""
    need = wanted * _PER_HOST + _OWN
    soft = max(soft, min(need, hard))
    fits = max((soft - _OWN) // _PER_HOST, 1)
    if fits >= wanted:
        return Granted(wanted), soft
    return Granted(
        fits,
        f"At most {fits} hosts are connected at once instead of {wanted}: this process may open only {soft} files. "
        f"Raise the hard limit of nofile (`ulimit -Hn`) to {need}",
    ), soft


def claim(wanted: int) -> Granted:
    """Raise the soft limit as far as it helps, and say what fits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Granted(wanted)
    ceiling = wanted * _PER_HOST + _OWN if hard == resource.RLIM_INFINITY else hard
    granted, needed = grant(wanted, soft, ceiling)
    if needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return granted


class Limits:
    """The three limits, as gates to pass with `async with`. No clock runs in front of a gate."""

    def __init__(self, options: SshOptions) -> None:
        granted = claim(options.connections)
        self.connections = granted.connections
        self.remarks = [granted.remark] if granted.remark else []
        self.uploads = asyncio.Semaphore(options.uploads)
        self.disruption = asyncio.Semaphore(options.disruption)
        self._through: dict[str, asyncio.Semaphore] = {}

    def through(self, way: str) -> asyncio.Semaphore:
        """The gate for logins through one jump host or proxy program."""
        return self._through.setdefault(way, asyncio.Semaphore(THROUGH_ONE))
