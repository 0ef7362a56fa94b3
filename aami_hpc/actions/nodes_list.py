"""`nodes list`: every node the cluster has, equal ones folded into one row.

`--json` is a list with one object a node; its keys are documented in docs/nodes.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.actions.result import Result
from aami_hpc.fleet import record
from aami_hpc.fleet.gather import gather
from aami_hpc.fleet.nodeset import fold
from aami_hpc.fleet.where import choose
from aami_hpc.io.clock import SystemClock
from aami_hpc.model.node import is_node_name
from aami_hpc.render.document import Paragraph, Table, Text, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aami_hpc.config import Settings
    from aami_hpc.io.clock import Clock
    from aami_hpc.io.run import Runner
    from aami_hpc.model.node import Node
    from aami_hpc.render.document import Block, Cell, Tone

_NO_SOURCE = "n/a"
_REMARK = "Exporters and alerts are n/a: this release has no source for them."
_BAD = frozenset({"DOWN", "ERROR", "FAIL", "INVALID_REG", "NOT_RESPONDING"})
_SAME = "as name"
_LONGEST_REASON = 80
_LONGEST_SET = 100
_MORE = "…"
_CUT = "Sets of nodes that end in … are cut: --unfolded and --json have all of their nodes."
_NOT_IN_SLURM = Text("not in Slurm", "dim")
_UNKNOWN = Text("unknown", "dim")


def run(
    settings: Settings,
    runner: Runner,
    environ: Mapping[str, str],
    *,
    expression: str | None = None,
    where: str | None = None,
    unfolded: bool = False,
    warn: Callable[[str], None] | None = None,
    clock: Clock | None = None,
) -> Result:
    """List the nodes that the expression and the conditions leave; all without them."""
    gathered = gather(settings, runner, environ)
    nodes = gathered.chosen(expression)
    if where is not None:
        nodes = choose(gathered.inventory, nodes, where)
    if gathered.remark and warn:
        warn(gathered.remark)
    now = (clock or SystemClock()).now()
    table = _table(nodes, unfolded=unfolded, unknown=gathered.partial)
    blocks: list[Block] = [table]
    blocks += [Paragraph(Text(gathered.remark, "warn"))] if gathered.remark else []
    blocks += [Paragraph(Text(_CUT, "dim"))] if _is_cut(table) else []
    blocks += [Paragraph(Text(_REMARK, "dim"))] if nodes else []
    return Result([record.as_dict(node, now) for node in nodes], tuple(blocks))


def _table(nodes: Sequence[Node], *, unfolded: bool, unknown: bool) -> Table:
    nothing = _UNKNOWN if unknown else _NOT_IN_SLURM
    tail = ("Address", "Partition", "GPUs", "State", "Reason", "Exporters", "Alerts")
    if unfolded:
        rows = tuple((node.name, node.address, *_cells(node, nothing)) for node in nodes)
        return Table(("Node", *tail), rows, empty="No node matches.")
    alike: dict[tuple[Cell, ...], list[Node]] = {}
    for node in nodes:
        alike.setdefault(_cells(node, nothing), []).append(node)
    rows = tuple(
        (_set(node.name for node in same), str(len(same)), _addresses(same), *cells)
        for cells, same in alike.items()
    )
    return Table(("Nodes", "Count", *tail), rows, empty="No node matches.")


def _is_cut(table: Table) -> bool:
    return any(words(row[0]).endswith(_MORE) for row in table.rows)


def _cells(node: Node, nothing: Text) -> tuple[Cell, ...]:
    state = node.state
    return (
        ",".join(node.partitions) or "-",
        record.gpus(node),
        Text(str(state), _tone(node)) if state else nothing,
        _cut(state.reason) if state else "",
        _NO_SOURCE,
        _NO_SOURCE,
    )


def _cut(reason: str) -> str:
    """A reason may be of any length; `nodes show` and --json have all of it."""
    return reason if len(reason) <= _LONGEST_REASON else reason[: _LONGEST_REASON - 1] + "…"


def _set(names: Iterable[str]) -> str:
    """The names folded; what is left of thousands without a pattern would drown the table, and is cut."""
    text = fold(names)
    return text if len(text) <= _LONGEST_SET else text[: text.rfind(",", 0, _LONGEST_SET) + 1] + _MORE


def _tone(node: Node) -> Tone:
    if node.state is None or node.state.absent:
        return "dim"
    if node.state.words & _BAD:
        return "bad"
    return "warn" if "DRAIN" in node.state.words else "plain"


def _addresses(nodes: Sequence[Node]) -> str:
    """The addresses of a row, folded as names are."""
    if all(node.address == node.name for node in nodes):
        return _SAME
    addresses = dict.fromkeys(node.address for node in nodes)
    if all(map(is_node_name, addresses)):
        return _set(addresses)
    return next(iter(addresses)) if len(addresses) == 1 else f"{len(addresses)} addresses"
