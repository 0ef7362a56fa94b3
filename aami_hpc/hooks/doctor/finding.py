"""One thing the doctor says: what it saw, why that matters, what to do, and the section that explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem", "unknown"]

PAGE = "docs/hooks.md"


@dataclass(frozen=True, slots=True)
class Finding:
    """`name` is the pitfall: its anchor in the manual, and its key in `--json`."""

    name: str
    level: Level
    what: str
    why: str = ""
    do: str = ""

    @property
    def reference(self) -> str:
        return f"{PAGE}#{self.name}"

    def as_dict(self) -> dict[str, str]:
        """The stable keys in `--json`."""
        return {
            "name": self.name,
            "level": self.level,
            "what": self.what,
            "why": self.why,
            "do": self.do,
            "reference": self.reference,
        }
