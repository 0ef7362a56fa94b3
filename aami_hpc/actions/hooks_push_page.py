"""How orders to nodes ended, for people: equal nodes in one row, then what to do about each kind of trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aami_hpc.fleet.nodeset import fold
from aami_hpc.render.document import Fact, Facts, Paragraph, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aami_hpc.hooks.nodes import Chosen
    from aami_hpc.hooks.report import Report
    from aami_hpc.render.document import Block, Cell

_COLUMNS = ("Outcome", "Count", "Nodes", "Generation", "Before", "Detail")
_BEFORE = _COLUMNS.index("Before")


def page(
    summary: str,
    reports: Sequence[Report],
    groups: Sequence[dict[str, Any]],
    chosen: Chosen,
    remarks: Iterable[str],
    *more: Block,
    before: bool = True,
) -> tuple[Block, ...]:
    """The summary, the groups as a table, hints, what was noticed. Without `before` there is no such column."""
    good = all(one.good for one in reports)
    rows: list[tuple[Cell, ...]] = [_row(group, trouble=bool(group["hint"])) for group in groups]
    if chosen.absent:
        states = ", ".join(sorted({str(node.state) for node in chosen.absent}))
        names = fold(node.name for node in chosen.absent)
        rows.append((Text("skipped", "dim"), str(len(chosen.absent)), names, "", "", states))
    columns: tuple[str, ...] = _COLUMNS
    if not before:
        columns = columns[:_BEFORE] + columns[_BEFORE + 1 :]
        rows = [row[:_BEFORE] + row[_BEFORE + 1 :] for row in rows]
    hints = {_says(group["outcome"]): group["hint"] for group in groups if group["hint"]}
    blocks: list[Block] = [
        Paragraph(Text(summary, "good" if good else "bad")),
        Table(columns, tuple(rows), empty="No nodes"),
        *more,
    ]
    if hints:
        blocks.append(Facts(tuple(Fact(says, hint) for says, hint in hints.items()), title="What to do"))
    return (*blocks, *(Paragraph(Text(remark, "warn")) for remark in remarks))


def _row(group: dict[str, Any], *, trouble: bool) -> tuple[Cell, ...]:
    return (
        Text(_says(group["outcome"]), "bad" if trouble else "good"),
        str(group["count"]),
        group["nodes"],
        group["generation"] or "",
        group["before"] or "",
        group["detail"],
    )


def _says(outcome: str) -> str:
    return outcome.replace("-", " ")
