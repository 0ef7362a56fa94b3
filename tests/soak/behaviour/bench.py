"""A cluster of one release to try things on: hooks that can be changed while it runs, and what it says of itself."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.lab import faults
from tests.lab.slurm import SlurmCluster
from tests.lab.waiting import until
from tests.soak.behaviour import environments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.lab.ledger import Ledger
    from tests.lab.releases import Release
    from tests.soak.behaviour.environments import Record

HOOK_LIMIT = 5  # seconds after which slurmd ends a prolog or epilog (PrologEpilogTimeout)
NODE = "gpu-001"
_KEYS = {"prolog": "Prolog", "epilog": "Epilog", "health": "HealthCheckProgram"}
# What slurm.conf names never changes, what it runs does: no reconfigure, no half-written script.
_DISPATCHER = """#!/bin/sh
it="${0%/*}/NAME.now"
[ -x "$it" ] || exit 0
exec "$it"
"""
_PRELUDE = """#!/bin/sh
PATH=/usr/bin:/bin
note() { echo "$(date +%s.%N) $*" >> EVENTS; }
"""
_PATIENCE = 40.0


@dataclass(frozen=True, slots=True)
class Node:
    """A node as `scontrol show node` has it."""

    flags: frozenset[str]
    reason: str
    who: str
    since: str
    booted: str

    @property
    def state(self) -> str:
        """The base state and its flags in one fixed order: `IDLE+DRAIN`."""
        base = [word for word in _BASE if word in self.flags]
        return "+".join([*base, *sorted(self.flags - set(base))])


_BASE = ("IDLE", "MIXED", "ALLOCATED", "DOWN", "UNKNOWN", "FUTURE", "ERROR")


@dataclass(frozen=True, slots=True)
class Event:
    """A line that a hook or a job wrote with `note`."""

    at: float
    words: str


class Bench:
    """One running cluster; `reset()` between two experiments."""

    def __init__(
        self, ledger: Ledger, release: Release, *, kind: type[SlurmCluster] = SlurmCluster, **more: Any
    ) -> None:
        hooks = {key: _DISPATCHER.replace("NAME", name) for name, key in _KEYS.items()}
        extra = {"PrologEpilogTimeout": str(HOOK_LIMIT), "KillWait": "3", **more.pop("extra", {})}
        self.ledger = ledger
        self.kind = release
        self.release = release.value
        self.cluster = kind(
            ledger, release=release, hooks={**hooks, **more.pop("hooks", {})}, extra=extra, **more
        )
        self.events = self.cluster.layout.jobs / "events"
        self._record: Record | None = None
        self._recording = threading.Lock()
        self._texts = count(1)
        self._read: dict[str, int] = {}

    @property
    def prelude(self) -> str:
        """The first lines of every script here; `note WORDS` writes an event."""
        return _PRELUDE.replace("EVENTS", str(self.events))

    @contextlib.contextmanager
    def fresh(self, **more: Any) -> Iterator[Bench]:
        """Another cluster of this release, for what must not have a past."""
        bench = Bench(self.ledger, self.kind, **more)
        with bench.cluster:
            bench.reset()
            yield bench

    def record(self) -> Record:
        """What this release gives to its hooks, recorded once, on clusters of its own."""
        with self._recording:
            if self._record is None:
                self._record = environments.record(self.ledger, self.kind)
            return self._record

    def set(self, hook: str, text: str) -> None:
        """From now on this hook is that script; a text without `#!` is sh and may use `note`."""
        script = text if text.startswith("#!") else f"{self.prelude}{text}\n"
        part = self.cluster.hook(f"{hook}.part{next(self._texts)}", script)
        part.rename(self.cluster.layout.hooks / f"{hook}.now")

    def submit(self, script: str, *options: str, node: str = NODE) -> int:
        """A batch job on one node; it may use `note`."""
        where = [f"--nodelist={node}"] if node else []
        return self.cluster.sbatch(f"{self.prelude}{script}\n", *where, *options)

    def node(self, name: str = NODE) -> Node:
        text = self.cluster.scontrol("show", "node", "-o", name)
        words = re.split(r"[+*]", _field(text, "State"))
        flags = {word for word in words if word}
        if "*" in _field(text, "State"):
            flags.add("NOT_RESPONDING")
        return Node(frozenset(flags), *_signed(text), _field(text, "BootTime"))

    def job(self, job: int) -> dict[str, str]:
        text = self.cluster.scontrol("show", "job", "-o", str(job))
        return dict(re.findall(r"(\w+)=(\S*)", text))

    def wait_node(self, reached: Callable[[Node], bool], what: str, name: str = NODE) -> Node:
        def looked() -> Node | None:
            node = self.node(name)
            return node if reached(node) else None

        found = until(looked, f"{name} to be {what}", timeout=_PATIENCE, evidence=lambda: self.evidence(name))
        assert found is not None
        return found

    def wait_job(
        self, job: int, state: str, reason: str = "", *, but_not: Sequence[str] = ()
    ) -> dict[str, str]:
        def looked() -> dict[str, str]:
            found = self.job(job)
            fits = found["Reason"] == reason if reason else found["Reason"] not in but_not
            return found if fits and found["JobState"] == state else {}

        return until(looked, f"job {job} to be {state} {reason}", timeout=_PATIENCE, evidence=self.evidence)

    def noted(self, words: str = "") -> list[Event]:
        """Events so far that begin with these words."""
        if not self.events.exists():
            return []
        lines = (line.partition(" ") for line in self.events.read_text(errors="replace").splitlines())
        return [Event(float(at), text) for at, _, text in lines if text.startswith(words)]

    def wait_noted(self, words: str, times: int = 1, timeout: float = _PATIENCE) -> list[Event]:
        def enough() -> list[Event]:
            found = self.noted(words)
            return found if len(found) >= times else []

        return until(enough, f"{words!r} to be noted", timeout=timeout, evidence=self.evidence)

    def log(self, node: str = NODE) -> str:
        """What this node's slurmd has logged since the last reset."""
        path = self.cluster.layout.log / f"{node}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return text[self._read.get(node, 0) :]

    def drain(self, reason: str, name: str = NODE) -> None:
        self.cluster.scontrol("update", f"nodename={name}", "state=drain", f"reason={reason}")

    def update(self, state: str, name: str = NODE) -> int:
        """The exit status of `scontrol update state=...`."""
        return self.cluster.call("scontrol", "update", f"nodename={name}", f"state={state}").returncode

    def evidence(self, node: str = NODE) -> str:
        shown = self.cluster.call("scontrol", "show", "node", node).stdout
        return f"{shown}\n{self.cluster.call('squeue', '-l').stdout}\n{self.log(node)[-3000:]}\n{self.cluster.logs()}"

    @contextlib.contextmanager
    def frozen(self) -> Iterator[tuple[str, faults.FrozenFileSystem]]:
        """A file system that can be frozen, and the name under which hooks of this release see it."""
        with faults.frozen_file_system(self.ledger, frozen=False) as system:
            try:
                yield (
                    f"/proc/{os.getpid()}/root{system.path}",
                    system,
                )  # also from inside a release's own root
            finally:
                system.thaw()
                time.sleep(0.3)  # who slept there ends now, before it is unmounted

    def reset(self) -> None:
        """Back to idle nodes, no jobs and hooks that do nothing."""
        for name in _KEYS:
            (self.cluster.layout.hooks / f"{name}.now").unlink(missing_ok=True)
        self.cluster.reset()
        self.events.unlink(missing_ok=True)
        self.events.touch()
        self.events.chmod(0o666)
        for node in self.cluster.nodes:
            path = self.cluster.layout.log / f"{node}.log"
            self._read[node] = len(path.read_text(errors="replace")) if path.exists() else 0


def _field(text: str, name: str) -> str:
    match = re.search(rf"\b{name}=(\S*)", text)
    return match[1] if match else ""


def _signed(text: str) -> tuple[str, str, str]:
    """Reason, who gave it, and when."""
    match = re.search(r"Reason=(.*?) \[(\S+)@(\S+)\]", text, re.DOTALL)
    return (match[1], match[2], match[3]) if match else ("", "", "")
