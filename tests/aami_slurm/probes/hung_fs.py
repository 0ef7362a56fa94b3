"""A file system that stops answering, as a network file system does when its server is gone.

A frozen file system only holds up who writes. Here readers wait too, and once the request is on its way they can't be
killed. The files of a folder are served through FUSE by a process of their own, which is this file run as a program.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import stat
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ledger import Ledger

OFTEN = 50  # ms between looks whether it may answer again
ROOT = 1
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, BATCH_FORGET = 1, 2, 3, 14, 15, 18, 25, 26, 42
ENOENT, ENOSYS = 2, 38
_HEADER = struct.Struct("<IIQQIIIHH")


class HungFileSystem:
    """A mounted file system that answers until it is told not to."""

    def __init__(self, path: Path, switch: Path) -> None:
        self.path = path
        self._switch = switch

    def hang(self) -> None:
        self._switch.touch()

    def answer(self) -> None:
        """Answer again, first what was asked meanwhile."""
        self._switch.unlink(missing_ok=True)


@contextlib.contextmanager
def hung_file_system(ledger: Ledger, folder: Path) -> Iterator[HungFileSystem]:
    """The files of a folder on a file system that can hang."""
    from tests.lab.ledger import LabUnavailable
    from tests.lab.waiting import until

    if os.geteuid() != 0 or not os.access("/dev/fuse", os.W_OK):
        raise LabUnavailable("a file system that hangs needs root and /dev/fuse")
    with ledger.inner("hung-fs") as own:
        path, switch = own.folder / "fs", own.folder / "hangs"
        path.mkdir()
        own.undo("umount", "--lazy", path)
        server = own.start([sys.executable, "-I", __file__, path, folder, switch], log="server.out")
        until(
            lambda: path.is_mount() or server.poll() is not None,
            "the file system to be there",
            timeout=10,
            evidence=lambda: own.tail("server.out"),
        )
        own.check(server, "the file system's server", "server.out")
        system = HungFileSystem(path, switch)
        try:
            yield system
        finally:
            system.answer()


class Server:
    """One folder, flat and read-only."""

    def __init__(self, device: int, folder: str, switch: str) -> None:
        self.device = device
        self.files = sorted(Path(folder).iterdir())
        self.switch = Path(switch)
        self.waiting: list[bytes] = []

    def serve(self) -> None:
        ready = select.poll()
        ready.register(self.device, select.POLLIN)
        while True:
            some = ready.poll(OFTEN)
            if not self.switch.exists():
                waiting, self.waiting = self.waiting, []
                for raw in waiting:
                    self.handle(raw)
            if some:
                try:
                    self.take(os.read(self.device, 1 << 20))
                except OSError:
                    return  # unmounted

    def take(self, raw: bytes) -> None:
        if self.switch.exists() and _HEADER.unpack_from(raw)[1] not in {FORGET, BATCH_FORGET}:
            self.waiting.append(raw)
        else:
            self.handle(raw)

    def handle(self, raw: bytes) -> None:
        _, opcode, _, node, *_ = _HEADER.unpack_from(raw)
        body = raw[_HEADER.size :]
        if opcode == INIT:
            self.reply(raw, struct.pack("<IIIIHHI", 7, 31, 65536, 0, 0, 0, 65536) + bytes(40))
        elif opcode == LOOKUP:
            names = [os.fsencode(path.name) for path in self.files]
            name = body.partition(b"\0")[0]
            if name in names:
                number = ROOT + 1 + names.index(name)
                self.reply(raw, struct.pack("<QQQQII", number, 1, 0, 0, 0, 0) + self.attributes(number))
            else:
                self.reply(raw, error=ENOENT)
        elif opcode == GETATTR:
            self.reply(raw, struct.pack("<QII", 0, 0, 0) + self.attributes(node))
        elif opcode == OPEN:
            self.reply(raw, struct.pack("<QII", 0, 0, 0))
        elif opcode == READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            self.reply(raw, self.files[node - ROOT - 1].read_bytes()[offset : offset + size])
        elif opcode in {RELEASE, FLUSH}:
            self.reply(raw)
        elif opcode not in {FORGET, BATCH_FORGET}:
            self.reply(raw, error=ENOSYS)

    def attributes(self, node: int) -> bytes:
        mode, size = (
            (stat.S_IFDIR, 0) if node == ROOT else (stat.S_IFREG, self.files[node - ROOT - 1].stat().st_size)
        )
        return struct.pack(
            "<QQQ3Q3IIIIIIII", node, size, size // 512 + 1, *bytes(6), mode | 0o755, 1, 0, 0, 0, 4096, 0
        )

    def reply(self, raw: bytes, payload: bytes = b"", *, error: int = 0) -> None:
        unique: int = _HEADER.unpack_from(raw)[2]
        with contextlib.suppress(FileNotFoundError):  # who asked was interrupted meanwhile
            os.write(self.device, struct.pack("<IiQ", 16 + len(payload), -error, unique) + payload)


def main(path: str, folder: str, switch: str) -> None:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(b"aami-hung", os.fsencode(path), b"fuse.aami", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"{path} can't be mounted")
    Server(device, folder, switch).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
