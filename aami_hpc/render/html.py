"""Documents as one HTML page without scripts, images or anything from elsewhere."""

from __future__ import annotations

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
    tone,
    words,
)
from aami_hpc.render.escape import for_html

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aami_hpc.render.document import Block, Cell

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top}"
    "pre{overflow-x:auto;background:#f4f4f4;padding:.6em}.bad{color:#b00020;font-weight:600}"
    ".warn{color:#8a5a00}.good{color:#1b6e2c}.dim{color:#666}.strong{font-weight:600}"
)


def to_html(document: Document, title: str) -> str:
    """The whole page, ending with one newline."""
    body = "\n".join(line for block in document for line in _lines(block))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{for_html(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _lines(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"<h2>{for_html(block.words)}</h2>"
    elif isinstance(block, Paragraph):
        yield f"<p>{_span(block.words)}</p>"
    elif isinstance(block, Verbatim):
        yield f"<pre>{for_html(block.words, keep_newlines=True)}</pre>"
    else:
        if block.title:
            yield f"<h3>{for_html(block.title)}</h3>"
        yield from _table(block)


def _table(block: Table | Facts | Passage | Steps) -> Iterator[str]:
    columns, rows = _cells(block)
    if not rows:
        yield f"<p>{for_html(block.empty if isinstance(block, Table) else '') or 'none'}</p>"
        return
    yield "<table>"
    if columns:
        yield "<tr>" + "".join(f"<th>{for_html(column)}</th>" for column in columns) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{_span(cell)}</td>" for cell in row) + "</tr>"
    yield "</table>"


def _cells(block: Table | Facts | Passage | Steps) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
    if isinstance(block, Table):
        return block.columns, block.rows
    if isinstance(block, Facts):
        return (), [(fact.label, fact.value, fact.source) for fact in block.facts]
    if isinstance(block, Steps):
        return (), block.steps
    return (), [(row.lead, row.words) for row in block.rows]


def _span(cell: Cell) -> str:
    text = for_html(words(cell))
    return text if tone(cell) == "plain" else f'<span class="{tone(cell)}">{text}</span>'
