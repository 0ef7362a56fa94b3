"""What a lab run has started, written down before it starts: so that everything is ended, also after a kill.

One folder per run below ROOT. It holds the owner's identity and one JSON line per thing made: a process, a
mount, a network namespace, a folder. `close()` undoes them newest first; `sweep()` does the same for runs
whose owner is gone. A process is known by pid and start time, so a reused pid is never touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(os.environ.get("AAMI_LAB_ROOT", "/var/tmp/aami-lab/runs"))
_PATIENCE = 5.0  # seconds between SIGTERM and SIGKILL


class LabError(Exception):
    """The lab could not be built; the message says which step and what it printed."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that can't be mistaken for another with the same pid."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        return Identity.of(self.pid) == self


class Ledger:
    """The things one lab run owns."""

    def __init__(self, name: str) -> None:
        ROOT.mkdir(parents=True, exist_ok=True)
        self.folder = ROOT / f"{name}-{uuid.uuid4().hex[:8]}"
        self.folder.mkdir()
        self._log = self.folder / "ledger.jsonl"
        me = Identity.of(os.getpid())
        self._write({"kind": "owner", "pid": os.getpid(), "started": me.started if me else 0})
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        log: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop: int = signal.SIGTERM,
    ) -> subprocess.Popen[bytes]:
        """Start a long-running process in its own session; its output goes to `folder/log`."""
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        self.adopt(process.pid, stop=stop)
        self._children[process.pid] = process
        return process

    def adopt(self, pid: int, *, stop: int = signal.SIGTERM) -> None:
        """Own a process somebody else started, such as a daemon that forked away."""
        found = Identity.of(pid)
        if found is not None:
            self._write({"kind": "process", "pid": pid, "started": found.started, "stop": int(stop)})

    def run(self, *argv: str | Path, timeout: float = 120, **kwargs: Any) -> str:
        """Run one step to its end; its output, or a LabError that shows it."""
        try:
            done = subprocess.run(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
                text=True,
                errors="replace",
                **kwargs,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LabError(f"{' '.join(map(str, argv))}: {error}") from error
        if done.returncode != 0:
            raise LabError(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout[-2000:]}")
        return done.stdout

    def mount(self, *options: str, source: str, target: Path) -> None:
        """Mount and remember it."""
        target.mkdir(parents=True, exist_ok=True)
        self._write({"kind": "mount", "target": str(target)})
        self.run("mount", *options, source, target)

    def netns(self, name: str) -> None:
        """Make a network namespace and remember it."""
        self._write({"kind": "netns", "name": name})
        self.run("ip", "netns", "add", name)

    def undo(self, *argv: str | Path) -> None:
        """Remember a command that undoes something; it runs at the end and may fail."""
        self._write({"kind": "undo", "argv": [str(part) for part in argv]})

    def close(self) -> None:
        """Undo everything, newest first, and remove the folder."""
        _undo(self.folder)
        for process in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)

    def _write(self, entry: dict[str, Any]) -> None:
        with self._log.open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
            stream.flush()
            os.fsync(stream.fileno())


def sweep() -> list[str]:
    """Clean up after runs whose owner is gone; the names of those runs."""
    swept = []
    for folder in sorted(ROOT.glob("*-*")):
        entries = _entries(folder)
        owner = next((entry for entry in entries if entry["kind"] == "owner"), None)
        if owner is None or not Identity(owner["pid"], owner["started"]).alive:
            _undo(folder)
            swept.append(folder.name)
    return swept


def _entries(folder: Path) -> list[dict[str, Any]]:
    entries = []
    with contextlib.suppress(OSError):
        for line in (folder / "ledger.jsonl").read_text().splitlines():
            with contextlib.suppress(ValueError):  # a line that a kill tore
                entries.append(json.loads(line))
    return entries


def _undo(folder: Path) -> None:
    for entry in reversed(_entries(folder)):
        if entry["kind"] == "process":
            _end(Identity(entry["pid"], entry["started"]), entry["stop"])
        elif entry["kind"] == "mount":
            _quietly("umount", "--lazy", entry["target"])
        elif entry["kind"] == "netns":
            _quietly("ip", "netns", "delete", entry["name"])
        elif entry["kind"] == "undo":
            _quietly(*entry["argv"])
    shutil.rmtree(folder, ignore_errors=True)


def _end(process: Identity, stop: int) -> None:
    """Ask the process to end, then insist; never a process that merely has the same pid."""
    for number, patience in ((stop, _PATIENCE), (signal.SIGKILL, 1.0)):
        if not process.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        deadline = time.monotonic() + patience
        while process.alive and time.monotonic() < deadline:
            time.sleep(0.02)


def _quietly(*argv: str) -> None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
