"""Processes of a lab run: who they are, which belong together, and how they are ended.

A process is known by pid and start time, so a reused pid is never touched. What a run starts carries the run's
mark in its environment; children inherit it, however far they fork away.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MARK = "AAMI_LAB_RUN"
_PATIENCE = 5.0  # seconds between the polite signal and SIGKILL
_KILL_PATIENCE = 2.0  # a process that sleeps in the kernel may outlive even that


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that can't be mistaken for another with the same pid."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        found = _stat(pid)
        return None if found is None else cls(pid, found[1])

    @property
    def alive(self) -> bool:
        return Identity.of(self.pid) == self


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def marked(run: Path) -> set[Identity]:
    """Every process that carries the run's mark, lives in a root of the run, or is a hook or job of its Slurm."""
    return {
        identity
        for pid in _pids()
        if _belongs(Path(f"/proc/{pid}"), str(run)) and (identity := Identity.of(pid)) is not None
    }


def _belongs(process: Path, run: str) -> bool:
    try:
        pairs = (
            pair.partition("=")
            for pair in process.joinpath("environ").read_text(errors="replace").split("\0")
        )
        environ = {key: value for key, _, value in pairs}
        root, cwd = str(process.joinpath("root").readlink()), str(process.joinpath("cwd").readlink())
    except OSError:
        return False
    if environ.get(MARK) == run or _inside(root, run):
        return True
    # Slurm writes the environment of hooks and jobs anew; a person's shell has no node name
    return "SLURMD_NODENAME" in environ and (_inside(environ.get("SLURM_CONF", ""), run) or _inside(cwd, run))


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def with_descendants(roots: Iterable[Identity]) -> set[Identity]:
    """These processes and all that they have started, as far as the kernel still knows."""
    children: dict[int, list[Identity]] = {}
    for pid in _pids():
        found = _stat(pid)
        if found is not None:
            children.setdefault(found[0], []).append(Identity(pid, found[1]))
    family: set[Identity] = set()
    waiting = [root for root in roots if root.alive]
    while waiting:
        member = waiting.pop()
        if member not in family:
            family.add(member)
            waiting.extend(children.get(member.pid, ()))
    return family


def end(processes: Mapping[Identity, int]) -> None:
    """Send each its own signal, all at once, then insist with SIGKILL. Ourselves and our parents are spared."""
    spared = set(_ancestry())
    left = {process: number for process, number in processes.items() if process.pid not in spared}
    for patience, last in ((_PATIENCE, False), (_KILL_PATIENCE, True)):
        for process, number in left.items():
            if process.alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process.pid, signal.SIGKILL if last else number)
        deadline = time.monotonic() + patience
        while left and time.monotonic() < deadline:
            left = {process: number for process, number in left.items() if process.alive}
            if left:
                time.sleep(0.02)


def _ancestry() -> Iterator[int]:
    pid = os.getpid()
    while pid > 0:
        yield pid
        found = _stat(pid)
        pid = 0 if found is None else found[0]


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _stat(pid: int) -> tuple[int, int] | None:
    """Parent and start time in ticks since boot; None for a process that has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else (int(fields[1]), int(fields[19]))
