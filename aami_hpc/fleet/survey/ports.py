"""Who listens on this machine: the kernel's socket tables, and the processes behind them where they show."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from aami_hpc.fleet.survey.sighting import Sighting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aami_hpc.fleet.survey.processes import Process
    from aami_hpc.fleet.survey.sighting import Sightings
    from aami_hpc.fleet.survey.tree import Tree

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LIMIT = 16 * 1024 * 1024  # listening sockets come first in these tables: a cut costs nothing we look for
_LISTENING = "0A"
_FIELDS = 10
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_ANY = {"0.0.0.0", "::"}  # noqa: S104 - read, not bound


@dataclass(frozen=True, slots=True)
class Listener:
    """One listening TCP socket."""

    port: int
    address: str
    uid: int
    inode: int
    source: str

    @property
    def where(self) -> str:
        return "all addresses" if self.address in _ANY else self.address


@dataclass(frozen=True, slots=True)
class Listeners:
    """What could be seen, and what could not."""

    seen: tuple[Listener, ...] = ()
    unknown: Sightings = ()

    def on(self, port: int) -> tuple[Listener, ...]:
        return tuple(listener for listener in self.seen if listener.port == port)


def listeners(tree: Tree) -> Listeners:
    """Every listening TCP socket of this network namespace."""
    seen: list[Listener] = []
    unknown: list[Sighting] = []
    for path in _TABLES:
        table = tree.read(path, limit=_LIMIT, cut=True)
        if table.why and not (
            path.endswith("6") and tree.exists(_TABLES[0])
        ):  # no tcp6: IPv6 is switched off
            unknown.append(Sighting("ports", "Listening ports", None, path, unknown=table.why))
        seen += parse(table.words, path)
    return Listeners(tuple(seen), tuple(unknown))


def parse(table: str, source: str) -> list[Listener]:
    """The listening sockets of one table; lines that are none are skipped."""
    found = []
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < _FIELDS or fields[3] != _LISTENING:
            continue
        address, _, port = fields[1].partition(":")
        try:
            found.append(Listener(int(port, 16), _address(address), int(fields[7]), int(fields[9]), source))
        except (ValueError, struct.error):
            continue
    return found


def _address(word: str) -> str:
    """The kernel prints an address as 32-bit words in the machine's own byte order."""
    raw = bytes.fromhex(word)
    packed = struct.pack(f">{len(raw) // 4}I", *struct.unpack(f"={len(raw) // 4}I", raw))
    return str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))  # noqa: PLR2004 - bytes


def holders(tree: Tree, processes: Iterable[Process], wanted: Iterable[Listener]) -> Mapping[int, Process]:
    """The process behind each wanted socket, by inode, as far as this user may look into processes."""
    missing = {listener.inode for listener in wanted}
    found: dict[int, Process] = {}
    for process in processes:
        if not missing:
            break
        folder = f"/proc/{process.pid}/fd"
        for name in tree.names(folder).names:
            socket = _SOCKET.fullmatch(tree.link(f"{folder}/{name}"))
            if socket and int(socket.group(1)) in missing:
                missing.discard(int(socket.group(1)))
                found[int(socket.group(1))] = process
    return found
