"""Faults of this machine, each real and each undone: by leaving the `with` block, and by the ledger after a kill.

What goes wrong on a node or its network is in `tests.lab.node` and `tests.lab.net`; the last two functions here
give those the same form.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.ledger import LabError, LabUnavailable
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ledger import Ledger
    from tests.lab.nodes import NodeLab

_PATIENCE = 10.0
_STEADY = 5  # looks, a tenth of a second apart, at a process that is said to be stuck


class FrozenFileSystem:
    """An ext4 of its own. While it is frozen, whoever writes to it sleeps in the kernel and can't be killed."""

    def __init__(self, ledger: Ledger, path: Path) -> None:
        self.path = path
        self._ledger = ledger
        self.frozen = False

    def freeze(self) -> None:
        if not self.path.is_mount():
            raise LabError(f"{self.path} is no file system of its own: freezing it would freeze the machine")
        self._ledger.run("fsfreeze", "--freeze", self.path)
        self.frozen = True

    def thaw(self) -> None:
        if self.frozen:
            self._ledger.run("fsfreeze", "--unfreeze", self.path)
            self.frozen = False


@contextlib.contextmanager
def frozen_file_system(ledger: Ledger, *, frozen: bool = True) -> Iterator[FrozenFileSystem]:
    """A small ext4 on a loop device; its thaw is written down before it is frozen."""
    _need_root("a frozen file system")
    with ledger.inner("frozen") as own:
        image, path = own.folder / "image", own.folder / "fs"
        own.run("truncate", "--size=8M", image)
        own.run("mkfs.ext4", "-q", "-F", image)
        try:
            own.mount("-o", "loop", source=image, target=path)
        except LabError as error:
            raise LabUnavailable(f"no loop devices here: {error}") from error
        own.undo("fsfreeze", "--unfreeze", path)
        system = FrozenFileSystem(own, path)
        if frozen:
            system.freeze()
        yield system


@contextlib.contextmanager
def d_state_process(system: FrozenFileSystem) -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps in the kernel on a frozen file system; thaw it to let the process go."""
    process = subprocess.Popen(
        ["dd", "if=/dev/zero", f"of={system.path / 'stuck'}", "bs=1", "count=1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for_state(process.pid, "D")
        yield process
    finally:
        system.thaw()
        process.kill()
        process.wait(_PATIENCE)


@contextlib.contextmanager
def full_disk(ledger: Ledger, size: str = "64k") -> Iterator[Path]:
    """A folder on a file system without a free byte; it holds one file, `filler`."""
    with _small_file_system(ledger, size) as path:
        with contextlib.suppress(OSError), (path / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        yield path


@contextlib.contextmanager
def read_only(ledger: Ledger, text: str = "old") -> Iterator[Path]:
    """A folder on a file system that can't be written; it holds one file, `file`."""
    with _small_file_system(ledger, "64k") as path:
        (path / "file").write_text(text)
        ledger.run("mount", "-o", "remount,ro", path)
        yield path


@contextlib.contextmanager
def hung_port(port: int = 0, host: str = "127.0.0.1") -> Iterator[int]:
    """A port that takes connections and never answers: the kernel accepts, nobody reads."""
    with socket.create_server((host, port), backlog=128) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def refusing_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that refuses connections, and that nobody else can take meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.bind((host, 0))
        yield holder.getsockname()[1]


@contextlib.contextmanager
def hung_process(ledger: Ledger, pid: int) -> Iterator[None]:
    """A process that stands still: a daemon's port still takes connections, and nothing comes back."""
    with ledger.inner("hung") as own:
        own.undo("kill", "-CONT", str(pid))
        os.kill(pid, signal.SIGSTOP)
        wait_for_state(pid, "T")
        yield


@contextlib.contextmanager
def cut_link(lab: NodeLab, name: str) -> Iterator[None]:
    """A node's network cable is pulled."""
    lab.network.cut(name)
    try:
        yield
    finally:
        lab.network.mend(name)


@contextlib.contextmanager
def silent_link(lab: NodeLab, name: str) -> Iterator[None]:
    """A node hears and doesn't answer: connections to it time out."""
    lab.network.mute(name)
    try:
        yield
    finally:
        lab.network.unmute(name)


@contextlib.contextmanager
def no_route(lab: NodeLab, name: str) -> Iterator[None]:
    """The lab knows no way to a node."""
    lab.network.block(name)
    try:
        yield
    finally:
        lab.network.unblock(name)


@contextlib.contextmanager
def changed_host_key(lab: NodeLab, name: str) -> Iterator[str]:
    """A node shows another host key than `lab.known_hosts` says; the new one, as known_hosts would have it."""
    with {node.name: node for node in lab.machines}[name].changed_host_key() as key:
        yield key


def state(pid: int) -> str:
    """The kernel's letter for what a process does: R, S, D, T, Z; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


def wait_for_state(pid: int, wanted: str) -> None:
    """Wait until a process is in that state ("" for gone), and stays: reading a page from disk is a short D, too."""
    seen: list[tuple[str, list[str]]] = []

    def settled() -> bool:
        seen.append((state(pid), _switches(pid)))
        steady = _STEADY if wanted == "D" else 1
        return seen[-1][0] == wanted and seen[-steady:] == [seen[-1]] * steady

    until(
        settled,
        f"process {pid} to be in state {wanted!r}",
        timeout=_PATIENCE,
        evidence=lambda: f"it is in state {state(pid)!r}",
    )


def _switches(pid: int) -> list[str]:
    """How often the process has been switched out: a process that sleeps on has the same numbers."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if "ctxt_switches" in line]


@contextlib.contextmanager
def _small_file_system(ledger: Ledger, size: str) -> Iterator[Path]:
    _need_root("a file system of its own")
    with ledger.inner("disk") as own:
        path = own.folder / "fs"
        own.mount("-t", "tmpfs", "-o", f"size={size}", source="aami-lab", target=path)
        yield path


def _need_root(what: str) -> None:
    if os.geteuid() != 0:
        raise LabUnavailable(f"{what} needs root")
