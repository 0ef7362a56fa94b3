"""What a node shows of itself: the programs Slurm would call there, its Python, where its state would live."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Status = Literal["ok", "missing", "not-executable", "not-a-file", "hidden"]

SAYS: dict[Status, str] = {
    "ok": "there",
    "missing": "not there",
    "not-executable": "not executable",
    "not-a-file": "no file",
    "hidden": "in a folder that the SSH user may not look into",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One file. `calls_ours` when its text names a hook of ours; `site` is what it runs first, if it is a launcher."""

    path: str
    status: Status
    calls_ours: bool = False
    site: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`programs` has what each path or pattern stands for on the node; nothing that fits is one `missing`."""

    programs: Mapping[str, tuple[Seen, ...]] = field(default_factory=dict)
    python: str = ""  # path and version
    state_fs: str = ""  # type of the file system below /var/lib
    generation: str = ""
    configless: bool = False

    def seen(self, path: str) -> Seen:
        """What is at a path that is no pattern."""
        found = self.programs.get(path, ())
        return found[0] if found else Seen(path, "missing")

    def status(self, path: str) -> Status:
        return self.seen(path).status
