"""Something wrong with the configuration: where, what, and what to do. Never the value: it may be a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aami_hpc.config.tree import Item

SYNTAX = "config-syntax"
INVALID = "config-invalid"
UNAVAILABLE = "secret-unavailable"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault or, among warnings, one remark. `reference` is that of the error it would be."""

    file: str
    line: int
    key: str
    what: str
    hint: str = ""
    reference: str = INVALID

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


def at(item: Item, key: str, what: str, hint: str = "", reference: str = INVALID) -> Problem:
    """A problem with what stands at `item`; the key begins the sentence."""
    return Problem(str(item.file), item.line, key, f"{key} {what}", hint, reference)
