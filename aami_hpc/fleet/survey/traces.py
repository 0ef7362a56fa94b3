"""Traces of known software on this machine: processes, units, packages, paths, and marks in files.

The database of rpm is left alone: reading it with rpm's own tools can write to it. On such systems units and
paths tell the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.fleet.survey.processes import user_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aami_hpc.fleet.survey.processes import Process
    from aami_hpc.fleet.survey.software import Software
    from aami_hpc.fleet.survey.world import World

_UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_DPKG = "/var/lib/dpkg/status"
_DPKG_LIMIT = 64 * 1024 * 1024
_PACKAGE = re.compile(
    r"^Package: (?P<name>\S+)\nStatus: install ok installed\n(?:[^\n]+\n)*?Version: (?P<version>\S+)$",
    re.MULTILINE,
)
_HEAD_OF_FILE = 16 * 1024
_SHOWN_PIDS = 3

RUNNING = "running"  # a process whose program file is this software
BY_NAME = "by name"  # a process that calls itself so; its program can't be seen, or is an interpreter
INSTALLED = "installed"  # a unit, a package, a path
IN_USE = "in use"  # marks that it leaves in files
IMPOSTOR = "name only"  # a process that calls itself so and runs another program; nothing else was found


@dataclass(frozen=True, slots=True)
class Trace:
    """One piece of evidence: what was seen and where."""

    state: str
    what: str
    source: str


@dataclass(frozen=True, slots=True)
class Found:
    """One known software of which there are traces, the strongest first."""

    software: Software
    traces: tuple[Trace, ...]

    @property
    def state(self) -> str:
        return self.traces[0].state

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: `source` is where the strongest evidence was seen."""
        return {
            "name": self.software.name,
            "kind": self.software.kind,
            "state": self.state,
            "evidence": [{"what": trace.what, "source": trace.source} for trace in self.traces],
            "source": self.traces[0].source,
        }


def traces(
    world: World, known: Iterable[Software], processes: Sequence[Process], texts: Mapping[str, str]
) -> tuple[Found, ...]:
    """Every known software with a trace here. `texts` are files (by path) in which to look for marks."""
    units = _units(world)
    packages = _packages(world)
    found = []
    for software in known:
        seen = (
            *_by_process(software, world, processes),
            *_by_unit(software, units),
            *_by_package(software, packages),
            *_by_path(software, world),
            *_by_mark(software, texts),
        )
        if seen:
            found.append(Found(software, seen))
    return tuple(found)


def _by_process(software: Software, world: World, processes: Sequence[Process]) -> Iterator[Trace]:
    programs = [process for process in processes if process.is_program(software.processes)]
    named = [p for p in processes if p not in programs and p.is_named(software.processes)]
    likely = [process for process in named if not process.program or process.interpreted]
    others = [process for process in named if process.program and not process.interpreted]
    if programs:
        first = programs[0]
        yield Trace(RUNNING, f"{first.program} runs {_whose(world, programs)}", f"/proc/{first.pid}/exe")
    elif likely:
        first = likely[0]
        what = f"a process named {first.name} {_whose(world, likely)}"
        yield Trace(BY_NAME, what, f"/proc/{first.pid}/comm")
    elif others:
        first = others[0]
        what = f"a process calls itself {first.name} but runs {first.program} {_whose(world, others)}"
        yield Trace(IMPOSTOR, what, f"/proc/{first.pid}/exe")


def _whose(world: World, processes: Sequence[Process]) -> str:
    """`(pid 12, 13, user prometheus)`; of many processes the first few."""
    pids = ", ".join(str(process.pid) for process in processes[:_SHOWN_PIDS])
    more = len(processes) - _SHOWN_PIDS
    uid = user_id(world.tree, processes[0].pid)
    user = "user unknown" if uid is None else world.user(uid)
    return f"(pid {pids}{f' and {more} more' if more > 0 else ''}, {user})"


def _by_unit(software: Software, units: Mapping[str, tuple[str, bool]]) -> Iterator[Trace]:
    for unit in software.units:
        if unit in units:
            folder, enabled = units[unit]
            yield Trace(INSTALLED, f"unit {unit}, {'enabled' if enabled else 'not enabled'}", folder)


def _by_package(software: Software, packages: Mapping[str, str]) -> Iterator[Trace]:
    for package in software.packages:
        if package in packages:
            yield Trace(INSTALLED, f"package {package} {packages[package]}", _DPKG)


def _by_path(software: Software, world: World) -> Iterator[Trace]:
    for path in software.paths:
        if world.tree.exists(path):
            folder, _, name = path.rpartition("/")
            yield Trace(INSTALLED, f"{name} exists", folder or "/")


def _by_mark(software: Software, texts: Mapping[str, str]) -> Iterator[Trace]:
    for path, text in texts.items():
        lower = text[:_HEAD_OF_FILE].lower()
        mark = next((mark for mark in software.marks if mark in lower), "")
        if mark:
            yield Trace(IN_USE, f"the file says “{mark}”", path)


def _units(world: World) -> Mapping[str, tuple[str, bool]]:
    """Unit files by name: in which folder, and whether something starts them at boot."""
    found: dict[str, str] = {}
    enabled: set[str] = set()
    for folder in _UNIT_FOLDERS:
        for name in world.tree.names(folder).names:
            if name.endswith((".wants", ".requires")):
                enabled.update(world.tree.names(f"{folder}/{name}").names)
            else:
                found.setdefault(name, folder)
    return {name: (folder, name in enabled) for name, folder in found.items()}


def _packages(world: World) -> Mapping[str, str]:
    """Installed Debian packages and their versions."""
    text = world.tree.read(_DPKG, limit=_DPKG_LIMIT).words
    return {match["name"]: match["version"] for match in _PACKAGE.finditer(text)}
