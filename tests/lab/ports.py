"""Free TCP ports in a row, that no other lab run takes and that the kernel gives to no outgoing connection."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.ledger import ROOT, LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST, _LAST = 10_000, 32_000  # below the kernel's ephemeral range
_BLOCK = 100
_LISTEN = "0A"  # a state in the kernel's table


@dataclass(slots=True)
class Ports:
    """A row of ports, ours until `release()` or the end of this process."""

    first: int
    count: int
    _locks: list[int]

    def __getitem__(self, index: int) -> int:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return self.first + index

    def release(self) -> None:
        while self._locks:
            os.close(self._locks.pop())


def lease(count: int) -> Ports:
    """`count` free ports in a row."""
    blocks = -(-count // _BLOCK)
    starts = list(range(_FIRST, _LAST - blocks * _BLOCK + 1, _BLOCK))
    random.shuffle(starts)
    for start in starts:
        locks = list(_locks(start, blocks))
        ports = Ports(start, count, locks)
        if len(locks) == blocks and all(_free(start + offset) for offset in range(count)):
            return ports
        ports.release()
    raise LabError(f"no {count} free ports in a row between {_FIRST} and {_LAST}")


def listening(port: int) -> bool:
    """Does anybody listen there? Asks the kernel, so no daemon logs a connection that said nothing."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and fields[1].endswith(wanted):
                    return True
    return False


def _locks(start: int, blocks: int) -> Iterator[int]:
    folder = ROOT.parent / "ports"
    folder.mkdir(parents=True, exist_ok=True)
    for block in range(blocks):
        path = folder / str(start + block * _BLOCK)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            yield descriptor


def _free(port: int) -> bool:
    for host in ("127.0.0.1", ""):  # nobody may listen here, whether on loopback or everywhere
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
