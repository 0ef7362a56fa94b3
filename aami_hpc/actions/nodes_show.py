"""`nodes show`: all that is known about one node, and where each piece comes from.

`--json` is the object that `nodes list` has for the node; its keys are documented in docs/nodes.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.actions.result import Result
from aami_hpc.errors import UsageFault
from aami_hpc.fleet import record
from aami_hpc.fleet.gather import gather
from aami_hpc.fleet.nodeset import fold
from aami_hpc.io.clock import SystemClock
from aami_hpc.model.node import SLURM
from aami_hpc.render.document import Fact, Facts, Paragraph, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from aami_hpc.config import Settings
    from aami_hpc.io.clock import Clock
    from aami_hpc.io.run import Runner
    from aami_hpc.model.node import Node, NodeState
    from aami_hpc.render.document import Block

# Label, field of the node, and how the field is said.
_FIELDS: tuple[tuple[str, str, Callable[[Node], str]], ...] = (
    ("Name", "name", lambda node: node.name),
    ("Address", "address", lambda node: node.address),
    ("Partitions", "partitions", lambda node: ", ".join(node.partitions)),
    ("GPUs", "gpus", lambda node: "" if node.gpus is None else str(node.gpus)),
    ("GPU model", "gpu_model", lambda node: node.gpu_model),
    ("CPUs", "cpus", lambda node: str(node.cpus or "")),
    ("Memory", "memory_mb", lambda node: f"{node.memory_mb} MB" if node.memory_mb else ""),
    ("Operating system", "os", lambda node: node.os),
    ("Architecture", "arch", lambda node: node.arch),
    ("slurmd", "slurm_version", lambda node: node.slurm_version),
    ("SSH user", "ssh_user", lambda node: node.ssh_user),
    ("SSH port", "ssh_port", lambda node: str(node.ssh_port or "")),
)


def run(
    settings: Settings,
    runner: Runner,
    environ: Mapping[str, str],
    expression: str,
    *,
    warn: Callable[[str], None] | None = None,
    clock: Clock | None = None,
) -> Result:
    """Show the one node that the expression means."""
    gathered = gather(settings, runner, environ)
    nodes = gathered.chosen(expression)
    if len(nodes) != 1:
        meant = fold(node.name for node in nodes) or "no node"
        raise UsageFault(
            f"show tells about one node, and {expression} is {meant}", hint="See aami-hpc nodes list"
        )
    if gathered.remark and warn:
        warn(gathered.remark)
    now = (clock or SystemClock()).now()
    blocks: list[Block] = [Facts(tuple(_facts(nodes[0], now)), title=nodes[0].name)]
    blocks += [Paragraph(Text(gathered.remark, "warn"))] if gathered.remark else []
    return Result(record.as_dict(nodes[0], now), tuple(blocks))


def _facts(node: Node, now: datetime) -> Iterator[Fact]:
    for label, name, say in _FIELDS:
        said = say(node)
        if said:
            yield Fact(label, said, node.origin.get(name, ""))
    for key, value in sorted(node.labels.items()):
        yield Fact(f"Label {key}", value, node.origin.get(f"labels.{key}", ""))
    if node.state:
        yield from _state(node.state, now)


def _state(state: NodeState, now: datetime) -> Iterator[Fact]:
    yield Fact("State", state.base, SLURM)
    if state.flags:
        yield Fact("Flags", ", ".join(sorted(state.flags)), SLURM)
    if state.absent:
        yield Fact("Absent", "neither a failure nor reached by SSH", "")
    if state.reason:
        yield Fact("Reason", state.reason, SLURM)
    if state.reason_user:
        yield Fact("Set by", state.reason_user, SLURM)
    if state.reason_time:
        since = f"{record.stamp(state.reason_time)} ({record.ago(state.reason_time, now)})"
        yield Fact("Since", since, SLURM)
