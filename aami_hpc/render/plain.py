"""Documents as plain text: for pipes, files and mail. Nothing is cut, columns are aligned, prose is wrapped."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from aami_hpc.render.document import (
    Cell,
    Document,
    Facts,
    Heading,
    Paragraph,
    Passage,
    Steps,
    Table,
    Verbatim,
    words,
)
from aami_hpc.render.escape import for_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aami_hpc.render.document import Block

_GAP = "  "
_PROSE = 80  # columns


def to_text(document: Document) -> str:
    """The whole document, blocks apart by an empty line, ending with one newline."""
    parts = ["\n".join(_lines(block)) for block in document]
    return "\n\n".join(part for part in parts if part) + "\n" if document else ""


def _lines(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield for_terminal(block.words)
        yield "=" * len(block.words)
    elif isinstance(block, Paragraph):
        yield for_terminal(words(block.words))
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Facts):
        yield from _facts(block)
    elif isinstance(block, Passage):
        yield from _passage(block)
    elif isinstance(block, Steps):
        yield block.title
        yield from _aligned([[f"  {command}", why] for command, why in block.steps])
    elif isinstance(block, Verbatim):
        yield for_terminal(block.words, keep_newlines=True).rstrip("\n")


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield table.title
    if not table.rows:
        yield table.empty or "none"
        return
    yield from _aligned([[title.upper() for title in table.columns], *map(_safe, table.rows)])


def _facts(facts: Facts) -> Iterator[str]:
    if facts.title:
        yield facts.title
    indent = "  " if facts.title else ""
    yield from _aligned(
        [
            [
                indent + fact.label,
                for_terminal(words(fact.value)),
                f"[{for_terminal(fact.source)}]" if fact.source else "",
            ]
            for fact in facts.facts
        ]
    )


def _passage(passage: Passage) -> Iterator[str]:
    if passage.title:
        yield for_terminal(passage.title)
    indent = _GAP if passage.title else ""
    leads = [for_terminal(words(row.lead)) for row in passage.rows]
    widest = max(map(len, leads), default=0)
    for lead, row in zip(leads, passage.rows, strict=True):
        start = indent + (lead.ljust(widest) + _GAP if widest else "")
        yield from textwrap.wrap(
            for_terminal(words(row.words)),
            _PROSE,
            initial_indent=start,
            subsequent_indent=" " * len(start),
            break_on_hyphens=False,
        ) or [start.rstrip()]


def _safe(row: Sequence[Cell]) -> list[str]:
    return [for_terminal(words(cell)) for cell in row]


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
