"""Which nodes a command about hooks means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.errors import NodeError
from aami_hpc.model.node import SLURM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aami_hpc.fleet.gather import Gathered
    from aami_hpc.model.node import Node


@dataclass(frozen=True, slots=True)
class Chosen:
    """`absent` ones (powered down, FUTURE, PLANNED) are neither connected to nor a failure."""

    present: tuple[Node, ...]
    absent: tuple[Node, ...]

    @property
    def names(self) -> Sequence[str]:
        return [node.name for node in self.present]

    @property
    def skipped(self) -> list[dict[str, Any]]:
        return [{"node": node.name, "state": str(node.state)} for node in self.absent]


def choose(gathered: Gathered, expression: str | None) -> Chosen:
    """The nodes of an expression; without one, all that Slurm knows: hooks are called by slurmd, and nobody else."""
    nodes = gathered.chosen(expression)
    if expression is None and gathered.silent is None:
        nodes = tuple(node for node in nodes if node.origin.get("name") == SLURM)
    if not nodes:
        raise NodeError(
            f"{expression} is no node at the moment" if expression else "Slurm has no node",
            cause="Nothing was done",
            hint="See aami-hpc nodes list",
        )
    return Chosen(
        tuple(node for node in nodes if node.reachable_by_ssh),
        tuple(node for node in nodes if not node.reachable_by_ssh),
    )
