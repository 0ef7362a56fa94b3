"""`look --ssh`: one read-only probe on each node, equal answers together."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.errors import NodeError
from aami_hpc.fleet.inventory import build
from aami_hpc.fleet.nodeset import fold
from aami_hpc.fleet.reach import ssh_options, targets
from aami_hpc.fleet.survey import probe, software
from aami_hpc.io.progress import NoProgress
from aami_hpc.io.ssh import MEANINGS, Host, Kind, Outcome, SshPool
from aami_hpc.render.document import Paragraph, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aami_hpc.config import Settings
    from aami_hpc.fleet.survey.probe import NodeLook
    from aami_hpc.fleet.survey.software import Software
    from aami_hpc.fleet.survey.survey import Survey
    from aami_hpc.io.progress import Progress
    from aami_hpc.io.ssh import Local
    from aami_hpc.model.node import Node
    from aami_hpc.render.document import Block, Cell

SKIPPED = "skipped"  # the outcome of a node that is absent on purpose
_SOURCE = "ssh"


@dataclass(frozen=True, slots=True)
class Alike:
    """Nodes with the same outcome and the same answer. `look` is None unless the outcome is `ok`."""

    outcome: str
    detail: str
    look: NodeLook | None
    names: tuple[str, ...]


def look_ssh(
    settings: Settings,
    survey: Survey,
    expression: str,
    *,
    progress: Progress | None = None,
    local: Local | None = None,
) -> tuple[list[dict[str, Any]], tuple[Block, ...]]:
    """The JSON list and the blocks for the nodes of an expression, or for all nodes when it is empty."""
    inventory = build(settings, survey.view.nodes or ())
    chosen = inventory.select(expression) if expression else inventory.nodes
    if not chosen:
        raise NodeError(
            "There is no node to look at over SSH",
            cause=survey.view.silent or "Neither Slurm nor the configuration names one",
            hint="Name nodes with aami-hpc nodes add",
        )
    known = software.known()
    present = [node for node in chosen if node.reachable_by_ssh]
    found, remarks = asyncio.run(_ask(settings, present, known, progress or NoProgress(), local))
    groups = [*_groups(found), *_skipped(chosen)]
    return [_data(group, known) for group in groups], tuple(_blocks(groups, remarks, known))


async def _ask(
    settings: Settings,
    nodes: Sequence[Node],
    known: Sequence[Software],
    progress: Progress,
    local: Local | None,
) -> tuple[list[tuple[Outcome, NodeLook | None]], list[str]]:
    script = probe.script(known)

    async def work(host: Host) -> Outcome:
        return await host.run(script)

    found = []
    progress.start("Looking over SSH", len(nodes))
    try:
        async with SshPool(ssh_options(settings), local=local) as pool:
            async for outcome in pool.each(targets(nodes), work):
                found.append((outcome, probe.read(outcome.text, known) if outcome.ok else None))
                progress.step(outcome.name)
    finally:
        progress.finish()
    return found, pool.remarks


def _groups(found: Iterable[tuple[Outcome, NodeLook | None]]) -> list[Alike]:
    """Equal answers together: what could be seen first, the largest group at the top."""
    names: defaultdict[tuple[str, str, NodeLook | None], list[str]] = defaultdict(list)
    for outcome, look in found:
        names[outcome.kind.value, outcome.detail, look].append(outcome.name)
    groups = [Alike(*key, tuple(same)) for key, same in names.items()]
    return sorted(groups, key=lambda group: (group.look is None, -len(group.names), sorted(group.names)))


def _skipped(nodes: Iterable[Node]) -> list[Alike]:
    """Nodes that are switched off or not yet there, by state."""
    states: defaultdict[str, list[str]] = defaultdict(list)
    for node in nodes:
        if not node.reachable_by_ssh:
            states[str(node.state)].append(node.name)
    return [Alike(SKIPPED, state, None, tuple(names)) for state, names in states.items()]


def _data(group: Alike, known: Sequence[Software]) -> dict[str, Any]:
    seen: dict[str, Any] = {"nodes": fold(group.names), "count": len(group.names), "outcome": group.outcome}
    seen |= {"detail": group.detail, "source": _SOURCE}
    if group.look is None:
        return seen
    look = group.look
    return seen | {
        "os": look.os,
        "arch": look.arch,
        "kernel": look.kernel,
        "python": look.python or None,
        "gpus": look.gpus,
        "ports": [{"port": port, "usual": _usual(port, known)} for port in look.ports],
        "software": list(look.software),
    }


def _blocks(groups: Sequence[Alike], remarks: Sequence[str], known: Sequence[Software]) -> list[Block]:
    seen = tuple(_row(group, group.look, known) for group in groups if group.look is not None)
    others = tuple(
        (fold(group.names), str(len(group.names)), Text(_says(group.outcome), "warn"), group.detail)
        for group in groups
        if group.look is None
    )
    columns = ("nodes", "count", "system", "gpus", "python", "there", "from")
    blocks: list[Block] = [Table(columns, seen, "Nodes over SSH", "no node could be looked at")]
    if others:
        blocks.append(Table(("nodes", "count", "why not", "detail"), others, "Not looked at"))
    return [*blocks, *(Paragraph(Text(remark, "warn")) for remark in remarks)]


def _row(group: Alike, look: NodeLook, known: Sequence[Software]) -> tuple[Cell, ...]:
    there = [*look.software, *(f"{_usual(port, known)} port {port} open" for port in look.ports)]
    return (
        fold(group.names),
        str(len(group.names)),
        ", ".join(filter(None, (look.os, look.arch, look.kernel))),
        "?" if look.gpus is None else str(look.gpus),
        look.python or Text("none", "warn"),
        ", ".join(there) or "none that we know",
        _SOURCE,
    )


def _usual(port: int, known: Iterable[Software]) -> str:
    """The software that usually listens there; that it does here is not said."""
    return next(entry.name for entry in known if any(one.port == port for one in entry.ports))


def _says(outcome: str) -> str:
    return SKIPPED if outcome == SKIPPED else MEANINGS[Kind(outcome)].says
