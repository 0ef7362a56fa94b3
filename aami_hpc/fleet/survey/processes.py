"""The processes of this machine. What a process calls itself is outside text: anybody may choose it.

The program file behind a process (/proc/PID/exe) can't be forged, but only root and the process's own user may
see it. So a finding by name says that it is one by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aami_hpc.fleet.survey.sighting import Sighting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aami_hpc.fleet.survey.sighting import Sightings
    from aami_hpc.fleet.survey.tree import Tree

_SHOWN_NAME = 15  # the kernel cuts the names of processes to this length
_INTERPRETER = re.compile(r"(python|ruby|perl|bash|dash|sh|node|java)[\d.]*")
_UID = re.compile(r"^Uid:\s+(\d+)", re.MULTILINE)  # the kernel escapes line breaks in the name above it
_HIDEPID = re.compile(r"^proc /proc proc \S*\bhidepid=(?!0|off)(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Process:
    """`program` is empty where this user may not see it, and for kernel threads."""

    pid: int
    name: str
    program: str

    @property
    def program_name(self) -> str:
        return self.program.removesuffix(" (deleted)").rpartition("/")[2]

    @property
    def interpreted(self) -> bool:
        """It runs a script: the program says nothing about which one."""
        return bool(_INTERPRETER.fullmatch(self.program_name))

    def is_program(self, names: Iterable[str]) -> bool:
        """Its program file has one of these names."""
        return bool(self.program) and self.program_name in names

    def is_named(self, names: Iterable[str]) -> bool:
        """It calls itself by one of these names."""
        return any(self.name == name[:_SHOWN_NAME] for name in names)


@dataclass(frozen=True, slots=True)
class Processes:
    """What could be seen, and what could not."""

    seen: tuple[Process, ...] = ()
    unknown: Sightings = ()


def processes(tree: Tree) -> Processes:
    """Every process this user can see."""
    folder = tree.names("/proc")
    if folder.why:
        return Processes(unknown=(_unknown("/proc", folder.why),))
    found = [process for name in folder.names if name.isdigit() if (process := _process(tree, name))]
    unknown: Sightings = ()
    if not any(process.pid == 1 for process in found):
        hidden = _HIDEPID.search(tree.read("/proc/self/mounts", limit=1024 * 1024, cut=True).words)
        option = f" (/proc is mounted with hidepid={hidden.group(1)})" if hidden else ""
        unknown = (_unknown("/proc", f"processes of other users are hidden from this user{option}"),)
    return Processes(tuple(found), unknown)


def _process(tree: Tree, pid: str) -> Process | None:
    name = tree.read(f"/proc/{pid}/comm")
    if name.why:
        return None  # it ended while we looked, or is hidden; hidepid is told as a whole
    program = tree.link(f"/proc/{pid}/exe")
    return Process(int(pid), name.words.rstrip("\n"), program)


def user_id(tree: Tree, pid: int) -> int | None:
    """Whose process it is. The owner of its folder is another one, root, for programs that changed user."""
    found = _UID.search(tree.read(f"/proc/{pid}/status").words)
    return int(found[1]) if found else None


def _unknown(source: str, why: str) -> Sighting:
    return Sighting("processes", "Processes", None, source, unknown=why)
