"""What we ask Slurm, in the domain's verbs, and the one way to get somebody who answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aami_hpc.config.sections.slurm import SlurmSection
    from aami_hpc.io.run import Runner
    from aami_hpc.model.node import Node
    from aami_hpc.model.slurm import Controller, Partition


class SlurmClient(Protocol):
    """One cluster's Slurm. Every verb ends within `slurm.timeout`, with an answer or a SlurmError.

    A client belongs to one run of a command: once nobody answered in time, it does not ask again.
    """

    def version(self) -> str:
        """The release of the client commands here, such as `22.05.8`. Asks no controller."""
        ...

    def config(self) -> Mapping[str, str]:
        """The configuration in force in the controller, keys and values as `scontrol show config` has them."""
        ...

    def controllers(self) -> tuple[Controller, ...]:
        """The controllers and which of them are up. Says so at once, where other questions retry for long."""
        ...

    def nodes(self) -> tuple[Node, ...]:
        """Every node Slurm knows, in natural order of names, FUTURE and partitionless ones too."""
        ...

    def partitions(self) -> tuple[Partition, ...]:
        """Every partition, hidden and empty ones too, in the order of the configuration."""
        ...


def open_client(section: SlurmSection, runner: Runner, environ: Mapping[str, str]) -> SlurmClient:
    """A client for the Slurm of this machine, or SlurmNotFound. Nothing is asked yet."""
    from aami_hpc.slurm.programs import find
    from aami_hpc.slurm.text import TextClient

    return TextClient(find(section, environ), runner, section.timeout)
