"""Documents on a person's terminal: rich tables and colours, markup and highlighting off for outside text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text as RichText

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
    tone,
    words,
)
from aami_hpc.render.escape import for_terminal

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import RenderableType

    from aami_hpc.render.document import Block

_STYLES = {"plain": "", "good": "green", "warn": "yellow", "bad": "bold red", "dim": "dim", "strong": "bold"}
_SHORT = 12  # columns: cells no longer than that stay whole, where a terminal is narrow the others give way
_PROSE = 80  # columns: longer lines of prose are hard to read


def show(document: Document, stream: TextIO, *, color: bool) -> None:
    """Draw the document on the stream, as wide as the terminal is."""
    console = Console(
        file=stream, markup=False, highlight=False, emoji=False, no_color=not color, soft_wrap=False
    )
    for position, block in enumerate(document):
        if position:
            console.print()
        width = min(console.width, _PROSE) if isinstance(block, Passage) else None
        for part in _parts(block):
            console.print(part, width=width)


def _parts(block: Block) -> list[RenderableType]:
    if isinstance(block, (Heading, Paragraph, Verbatim)):
        return [_plain(block)]
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Facts):
        return _facts(block)
    if isinstance(block, Passage):
        return _passage(block)
    if isinstance(block, Steps):
        return _steps(block)
    raise TypeError(type(block))


def _plain(block: Heading | Paragraph | Verbatim) -> RichText:
    if isinstance(block, Heading):
        return RichText(for_terminal(block.words), style="bold underline")
    if isinstance(block, Paragraph):
        return _text(block.words)
    return RichText(for_terminal(block.words, keep_newlines=True).rstrip("\n"))


def _text(cell: Cell) -> RichText:
    return RichText(for_terminal(words(cell)), style=_STYLES[tone(cell)])


def _table(table: Table) -> list[RenderableType]:
    title: list[RenderableType] = [RichText(table.title, style="bold")] if table.title else []
    if not table.rows:
        return [*title, RichText(table.empty or "none", style="dim")]
    grid = RichTable(box=None, pad_edge=False, header_style="bold dim", padding=(0, 1, 0, 0))
    for column, cells in zip(table.columns, zip(*table.rows, strict=True), strict=True):
        short = max(len(words(cell)) for cell in cells) <= _SHORT
        grid.add_column(column.upper(), overflow="fold", no_wrap=short)
    for row in table.rows:
        grid.add_row(*map(_text, row))
    return [*title, grid]


def _grid() -> RichTable:
    return RichTable(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))


def _facts(facts: Facts) -> list[RenderableType]:
    grid = _grid()
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    grid.add_column(style="dim", overflow="fold")
    for fact in facts.facts:
        grid.add_row(RichText(fact.label), _text(fact.value), RichText(for_terminal(fact.source)))
    title: list[RenderableType] = [RichText(facts.title, style="bold")] if facts.title else []
    return [*title, grid]


def _passage(passage: Passage) -> list[RenderableType]:
    grid = _grid()
    led = any(words(row.lead) for row in passage.rows)
    if led:
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for row in passage.rows:
        grid.add_row(*([_text(row.lead), _text(row.words)] if led else [_text(row.words)]))
    if not passage.title:
        return [grid]
    return [RichText(for_terminal(passage.title), style="bold"), Padding(grid, (0, 0, 0, 2))]


def _steps(steps: Steps) -> list[RenderableType]:
    grid = _grid()
    grid.add_column(style="cyan", overflow="fold")
    grid.add_column(style="dim", overflow="fold")
    for command, why in steps.steps:
        grid.add_row(RichText(f"  {command}"), RichText(why))
    return [RichText(steps.title, style="bold"), grid]
