"""The inventory of this machine's cluster, with the words for what could not be had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aami_hpc.errors import NodeError, SlurmError, SlurmNotFound, UnknownGroup, UnknownNode
from aami_hpc.fleet.inventory import Inventory, build
from aami_hpc.slurm.client import open_client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aami_hpc.config import Settings
    from aami_hpc.io.run import Runner
    from aami_hpc.model.node import Node


@dataclass(frozen=True, slots=True)
class Gathered:
    """`silent` is why Slurm told nothing. With Slurm here but silent, nodes are missing: `partial`."""

    inventory: Inventory
    silent: SlurmError | None = None

    @property
    def partial(self) -> bool:
        return self.silent is not None and not isinstance(self.silent, SlurmNotFound)

    @property
    def remark(self) -> str:
        """One sentence for people about what is missing, or nothing."""
        if self.silent is None:
            return ""
        if self.partial:
            return f"Incomplete, only the configuration's nodes: {self.silent.message}. {self.silent.cause}."
        return "Without Slurm, only the configuration's nodes: " + f"{self.silent.message}."

    def chosen(self, expression: str | None) -> tuple[Node, ...]:
        """The nodes a person's expression means; without one, all of them. An empty one is a mistake."""
        if expression is None:
            return self.inventory.nodes
        try:
            return self.inventory.select(expression)
        except (UnknownNode, UnknownGroup) as error:
            if self.silent is None or not self.partial:
                raise
            missing = (
                f"The configuration does not know it, and Slurm could not be asked: {self.silent.message}"
            )
            raise type(error)(error.message, cause=missing, hint=self.silent.hint) from error


def gather(settings: Settings, runner: Runner, environ: Mapping[str, str]) -> Gathered:
    """Ask Slurm, merge with the configuration. An error when neither of them knows a node."""
    silent: SlurmError | None = None
    try:
        found = open_client(settings.slurm, runner, environ).nodes()
    except SlurmError as error:
        found, silent = (), error
    inventory = build(settings, found)
    if inventory.nodes:
        return Gathered(inventory, silent)
    if silent is None:
        raise NodeError(
            "No node is known",
            cause="Slurm names none to this user, and the configuration has none",
            hint="With PrivateData=nodes Slurm shows nodes to administrators only",
        )
    if isinstance(silent, SlurmNotFound):
        raise SlurmNotFound(
            f"No node is known. {silent.message}",
            cause=silent.cause,
            hint="Name nodes with aami-hpc nodes add, or set slurm.bin_dir to the folder of scontrol",
        ) from silent
    raise silent
