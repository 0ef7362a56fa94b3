"""A small world for a survey: a folder as the file system, with processes and sockets that tests write down."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.fleet.survey.tree import Tree
from aami_hpc.fleet.survey.world import World
from aami_hpc.testing import FakeRunner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
OS_RELEASE = 'PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\nNAME="Rocky Linux"\nID="rocky"\nVERSION_ID="9.4"\n'
PASSWD = "root:x:0:0:root:/root:/bin/sh\nprometheus:x:990:990::/:/bin/false\nann:x:1000:1000::/:/bin/sh\n"
ANN, PROMETHEUS = 1000, 990


@dataclass(frozen=True, slots=True)
class Root:
    """A root folder under construction."""

    path: Path

    @classmethod
    def bare(cls, path: Path) -> Root:
        """A machine with nothing on it but itself."""
        root = cls(path)
        root.write("/etc/os-release", OS_RELEASE)
        root.write("/etc/passwd", PASSWD)
        root.write("/proc/sys/kernel/hostname", "head1\n")
        root.write("/proc/sys/kernel/osrelease", "5.14.0-427.el9.x86_64\n")
        root.write("/proc/net/tcp", HEADER)
        root.write("/proc/net/tcp6", HEADER)
        root.process(1, "systemd", "/usr/lib/systemd/systemd")
        for folder in ("/run/systemd/system", "/sys/bus/pci/devices", "/dev"):
            root.folder(folder)
        return root

    def write(self, path: str, text: str | bytes, mode: int = 0o644) -> Path:
        real = self.real(path)
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_bytes(text if isinstance(text, bytes) else text.encode())
        real.chmod(mode)
        return real

    def folder(self, path: str) -> None:
        self.real(path).mkdir(parents=True, exist_ok=True)

    def remove(self, path: str) -> None:
        real = self.real(path)
        shutil.rmtree(real) if real.is_dir() else real.unlink()

    def process(
        self, pid: int, name: str, program: str = "", uid: int = 0, sockets: Mapping[int, int] | None = None
    ) -> None:
        """A process; without `program` its exe link is not there, as for a process of somebody else."""
        self.write(f"/proc/{pid}/comm", name + "\n")
        self.write(f"/proc/{pid}/status", f"Name:\tx\nUmask:\t0022\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        if program:
            self.real(f"/proc/{pid}/exe").symlink_to(program)
        for number, inode in (sockets or {}).items():
            self.folder(f"/proc/{pid}/fd")
            self.real(f"/proc/{pid}/fd/{number}").symlink_to(f"socket:[{inode}]")

    def listen(self, port: int, *, inode: int, uid: int = 0, address: str = "00000000") -> None:
        """A line of /proc/net/tcp as the kernel prints it."""
        line = (
            f"   0: {address}:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 "
            f"{uid:5d}        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
        )
        with self.real("/proc/net/tcp").open("a") as table:
            table.write(line)

    def gpu(
        self, number: int, *, vendor: str = "0x10de", kind: str = "0x030200", device_file: bool = True
    ) -> None:
        folder = f"/sys/bus/pci/devices/0000:{number + 1:02x}:00.0"
        self.write(f"{folder}/vendor", vendor + "\n")
        self.write(f"{folder}/class", kind + "\n")
        if device_file:
            self.write(f"/dev/nvidia{number}", "")

    def real(self, path: str) -> Path:
        return self.path / path.lstrip("/")

    def world(self, **changes: Any) -> World:
        """A world on this root, seen by an ordinary user, where no program is installed."""
        return World(
            **{
                "tree": Tree(self.path),
                "runner": FakeRunner(),
                "environ": {"PATH": "/usr/bin:/bin"},
                "uid": ANN,
                "architecture": "x86_64",
                "python": ("3.11.2", "/usr/bin/python3"),
                **changes,
            }
        )
