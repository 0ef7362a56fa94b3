"""What a lab run has started, written down before it starts: so that everything is ended, also after a kill.

One folder per run below ROOT. It holds the owner's identity and one JSON line per thing made: a process, a
mount, a network namespace, a folder. `close()` undoes them newest first; `sweep()` does the same for runs
whose owner is gone. Processes that forked away are found by the run's mark in their environment.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import stat
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.mounts import remove, unmount
from tests.lab.processes import MARK, Identity, boot_id, end, marked, with_descendants

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

ROOT = Path(os.environ.get("AAMI_LAB_ROOT", "/var/tmp/aami-lab/runs"))
_TAIL = 2000  # characters of output that an error shows
_UNBORN_AGE = 3600.0  # seconds after which a folder that never became a run is rubbish


class LabError(Exception):
    """The lab could not be built; the message says which step and what it printed."""


class LabUnavailable(LabError):
    """This machine can't do it: no root, a package missing, no mirror. Tests skip, loudly."""


class Ledger:
    """The things one lab run owns."""

    def __init__(self, name: str) -> None:
        identity = uuid.uuid4().hex[:8]
        try:
            ROOT.mkdir(parents=True, exist_ok=True)
            _refuse_strangers(ROOT)
            unborn = ROOT / f"unborn.{identity}"
            unborn.mkdir()
            unborn.chmod(0o755)  # whatever the umask: other users' commands read a cluster's configuration
        except PermissionError as error:
            raise LabUnavailable(f"{ROOT} can't be written; the lab runs as root") from error
        self.folder = unborn
        me = Identity.of(os.getpid())
        self._write(
            {"kind": "owner", "pid": os.getpid(), "started": me.started if me else 0, "boot": boot_id()}
        )
        self.folder = unborn.rename(ROOT / f"{name}-{identity}")  # sweep() never sees a run without an owner
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._inner: list[Ledger] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def inner(self, name: str) -> Ledger:
        """A run within this one, which may end earlier and ends with it at the latest."""
        self._inner.append(Ledger(name))
        return self._inner[-1]

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        log: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop: int = signal.SIGTERM,
    ) -> subprocess.Popen[bytes]:
        """Start a long-running process in its own session; its output goes to `folder/log`.

        `env` is the whole environment; None is this process's own.
        """
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**(os.environ if env is None else env), **self.mark},
                cwd=cwd,
                start_new_session=True,
            )
        self.adopt(process.pid, stop=stop)
        self._processes[process.pid] = process
        return process

    @property
    def mark(self) -> dict[str, str]:
        """What tells this run's processes from all others, for an environment."""
        return {MARK: str(self.folder)}

    def adopt(self, pid: int, *, stop: int = signal.SIGTERM) -> None:
        """Own a process somebody else started, such as a daemon that forked away."""
        found = Identity.of(pid)
        if found is not None:
            self._write({"kind": "process", "pid": pid, "started": found.started, "stop": int(stop)})

    def end(self, pid: int, stop: int = signal.SIGTERM) -> None:
        """End one process of this run now, with all it has started."""
        found = Identity.of(pid)
        if found is not None:
            family = with_descendants([found])
            end({found: stop})
            end(dict.fromkeys(family, signal.SIGKILL))
        process = self._processes.pop(pid, None)
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)

    def run(self, *argv: str | Path, timeout: float = 120, **kwargs: Any) -> str:
        """Run one step to its end; its output, or a LabError that shows it."""
        try:
            done: subprocess.CompletedProcess[str] = subprocess.run(
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
            raise LabError(
                f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout[-_TAIL:]}"
            )
        return done.stdout

    def run_long(
        self, *argv: str | Path, log: str, timeout: float, env: Mapping[str, str] | None = None
    ) -> None:
        """Run a step of minutes: as a process of this run, so that it ends with it. `env` is added to ours."""
        process = self.start(argv, log=log, env={**os.environ, **(env or {})})
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{argv}: {error}\n{self.tail(log)}") from error
        if status != 0:
            raise LabError(f"{' '.join(map(str, argv))} ended with {status}:\n{self.tail(log)}")

    def check(self, process: subprocess.Popen[bytes], what: str, log: str) -> None:
        """A LabError with the log's end if a process that should be running has ended."""
        status = process.poll()
        if status is not None:
            raise LabError(f"{what} ended with {status}:\n{self.tail(log)}")

    def tail(self, log: str, size: int = _TAIL) -> str:
        """The end of a log in this run's folder."""
        path = self.folder / log
        return path.read_text(errors="replace")[-size:] if path.exists() else f"({path} was not written)"

    def mount(self, *options: str, source: str | Path, target: Path) -> None:
        """Mount and remember it."""
        target.mkdir(parents=True, exist_ok=True)
        self._write({"kind": "mount", "target": str(target)})
        self.run("mount", *options, source, target)

    def netns(self, name: str) -> None:
        """Make a network namespace and remember it."""
        self._write({"kind": "netns", "name": name})
        self.run("ip", "netns", "add", name)

    def keep_track_of(self, folder: Path) -> None:
        """Remember a folder outside this run's own; it is removed at the end, if it is still there."""
        self._write({"kind": "folder", "path": str(folder)})

    def undo(self, *argv: str | Path) -> None:
        """Remember a command that undoes something; it runs at the end and may fail."""
        self._write({"kind": "undo", "argv": [str(part) for part in argv]})

    def close(self) -> None:
        """Undo everything, newest first, and remove the folder."""
        while self._inner:
            self._inner.pop().close()
        if self.folder.exists():
            _undo(self.folder)
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        self._processes.clear()

    def _write(self, entry: dict[str, Any]) -> None:
        with (self.folder / "ledger.jsonl").open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
            stream.flush()
            os.fsync(stream.fileno())


def sweep() -> list[str]:
    """Clean up after runs whose owner is gone; the names of those runs."""
    swept = []
    if ROOT.exists():
        _refuse_strangers(ROOT)
    for folder in sorted(ROOT.glob("*-*")):
        if owner(folder) is None:
            _undo(folder)
            swept.append(folder.name)
    for folder in ROOT.glob("unborn.*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _UNBORN_AGE:
                remove(folder)
    return swept


def _refuse_strangers(folder: Path) -> None:
    """What a ledger says is done, as root: so nobody else may be able to write one."""
    for path in (folder, *folder.parents):
        found = path.stat()
        open_to_all = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
        if open_to_all or found.st_uid not in {0, os.geteuid()}:
            raise LabUnavailable(f"{path} belongs to somebody else or can be written by anybody")


def owner(folder: Path) -> Identity | None:
    """The living process that a run belongs to."""
    entry = _owner_entry(_entries(folder))
    if entry is None or entry["boot"] != boot_id():
        return None
    identity = Identity(entry["pid"], entry["started"])
    return identity if identity.alive else None


def _entries(folder: Path) -> list[dict[str, Any]]:
    entries = []
    with contextlib.suppress(OSError):
        for line in (folder / "ledger.jsonl").read_text().splitlines():
            with contextlib.suppress(ValueError):  # a line that a kill tore
                entries.append(json.loads(line))
    return entries


def _owner_entry(entries: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((entry for entry in entries if entry["kind"] == "owner"), None)


def _undo(folder: Path) -> None:
    entries = _entries(folder)
    first = _owner_entry(entries)
    same_boot = first is not None and first["boot"] == boot_id()
    family = with_descendants({*_recorded(entries), *marked(folder)}) if same_boot else set()
    for kind, group in itertools.groupby(reversed(entries), key=lambda entry: str(entry["kind"])):
        if kind != "process":
            for entry in group:
                _undo_one(entry)
        elif same_boot:
            end(_recorded(group))
    if same_boot:
        end(dict.fromkeys(family | with_descendants(marked(folder)), signal.SIGKILL))
    remove(folder)


def _recorded(entries: Iterable[dict[str, Any]]) -> dict[Identity, int]:
    return {
        Identity(entry["pid"], entry["started"]): int(entry["stop"])
        for entry in entries
        if entry["kind"] == "process"
    }


def _undo_one(entry: dict[str, Any]) -> None:
    if entry["kind"] == "mount":
        unmount(entry["target"])
    elif entry["kind"] == "netns":
        _quietly("ip", "netns", "delete", entry["name"])
    elif entry["kind"] == "folder":
        remove(Path(entry["path"]))
    elif entry["kind"] == "undo":
        _quietly(*entry["argv"])


def _quietly(*argv: str) -> None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
