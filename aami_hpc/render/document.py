"""A neutral document: what a result says, before anyone decides how it looks.

Text in a document is raw: it may come from a node, a job or a log. Each surface escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Tone = Literal["plain", "good", "warn", "bad", "dim", "strong"]


@dataclass(frozen=True, slots=True)
class Text:
    """Words with a tone; a surface may show the tone as colour, never as the only sign."""

    words: str
    tone: Tone = "plain"


Cell: TypeAlias = str | Text


@dataclass(frozen=True, slots=True)
class Heading:
    words: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    words: Cell


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under column titles. `empty` is said in place of a table without rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled value and where it came from."""

    label: str
    value: Cell
    source: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    facts: tuple[Fact, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text whose line breaks are its own, such as a file's content."""

    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """Words after a lead, such as a label or a number; wrapped lines stay clear of the lead."""

    lead: Cell
    words: Cell


@dataclass(frozen=True, slots=True)
class Passage:
    """Prose to read: wrapped, and never wider than 80 columns on a surface that has columns."""

    rows: tuple[Row, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Steps:
    """What to type next: a command and what it is for."""

    steps: tuple[tuple[str, str], ...]
    title: str = "Next"


Block: TypeAlias = Heading | Paragraph | Table | Facts | Verbatim | Passage | Steps
Document: TypeAlias = tuple[Block, ...]


def words(cell: Cell) -> str:
    """The raw words of a cell."""
    return cell if isinstance(cell, str) else cell.words


def tone(cell: Cell) -> Tone:
    return "plain" if isinstance(cell, str) else cell.tone
