"""Rows of text in columns, for a terminal. Every cell is outside text until it was made plain."""

import sys

from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, List, Sequence

WIDEST = 60
GAP = "  "


def show(head: "Sequence[str]", rows: "Iterable[Sequence[Any]]", empty: "str") -> "None":
    """The rows under their head; `empty` says what it means that there are none. The last column may be long."""
    cells: "List[List[str]]" = [
        [_cell(value, last=False) for value in row[:-1]] + [_cell(row[-1], last=True)] for row in rows
    ]
    if not cells:
        sys.stdout.write(empty + "\n")
        return
    widths = [max(len(row[at]) for row in [list(head), *cells]) for at in range(len(head))]
    for row in [list(head), *cells]:
        line = GAP.join(cell.ljust(width) for cell, width in zip(row, widths))
        sys.stdout.write(line.rstrip() + "\n")


def _cell(value: "Any", *, last: "bool") -> "str":
    return "-" if value is None or value == "" else plain(str(value), 200 if last else WIDEST)
