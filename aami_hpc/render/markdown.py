"""Documents as Markdown: for the manual, wikis and tickets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aami_hpc.render.document import (
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
from aami_hpc.render.escape import for_markdown, for_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aami_hpc.render.document import Block, Cell


def to_markdown(document: Document, level: int = 1) -> str:
    """The whole document. `level` is the depth of its headings; titles of blocks are one deeper."""
    parts = ["\n".join(_lines(block, level)) for block in document]
    return "\n\n".join(part for part in parts if part) + "\n" if document else ""


def _lines(block: Block, level: int) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"{'#' * level} {for_markdown(block.words)}"
    elif isinstance(block, Paragraph):
        yield for_markdown(words(block.words))
    elif isinstance(block, Verbatim):
        yield from _fenced(block.words)
    else:
        if block.title:
            yield f"{'#' * (level + 1)} {for_markdown(block.title)}\n"
        yield from _body(block)


def _body(block: Table | Facts | Passage | Steps) -> Iterator[str]:
    if isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Facts):
        rows = [(fact.label, fact.value, fact.source) for fact in block.facts]
        yield from _table(Table(("", "", ""), tuple(rows)))
    elif isinstance(block, Steps):
        yield from (f"- {_code(command)} {for_markdown(why)}" for command, why in block.steps)
    else:
        yield from _passage(block)


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        yield for_markdown(table.empty or "none")
        return
    yield _row(table.columns)
    yield _row(["---"] * len(table.columns))
    yield from map(_row, table.rows)


def _row(cells: Sequence[Cell]) -> str:
    told = [words(cell) for cell in cells]
    return "| " + " | ".join(cell if cell == "---" else for_markdown(cell) for cell in told) + " |"


def _passage(passage: Passage) -> Iterator[str]:
    """One row without a lead is a paragraph; more are a list."""
    if len(passage.rows) == 1 and not words(passage.rows[0].lead):
        yield for_markdown(words(passage.rows[0].words))
        return
    for row in passage.rows:
        lead = words(row.lead)
        numbered = re.fullmatch(r"\d+\.", lead)
        start = lead if numbered else f"- **{for_markdown(lead)}**" if lead.strip("-") else "-"
        yield f"{start} {for_markdown(words(row.words))}"


def _fenced(text: str) -> Iterator[str]:
    """A fence that the text can't close."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield fence
    yield for_terminal(text, keep_newlines=True).rstrip("\n")
    yield fence


def _code(text: str) -> str:
    return f"`{text}`" if "`" not in text else for_markdown(text)
