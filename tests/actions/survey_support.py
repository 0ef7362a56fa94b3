"""A Slurm that answers what a test gives it, for the actions that look around."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypeVar

from aami_hpc.errors import SlurmError, SlurmUnreachable
from aami_hpc.model.node import Node, NodeState
from aami_hpc.model.slurm import Controller, Partition

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)  # where FakeClock stands
SILENT = SlurmUnreachable("Slurm's controller head1:6817 does not answer", cause="No answer within 3 s")
UP = Controller("head1", "primary", up=True)
DOWN = Controller("head1", "primary", up=False)
CONFIG = {
    "ClusterName": "lab",
    "SLURM_CONF": "/etc/slurm/slurm.conf",
    "SlurmdSpoolDir": "/var/spool/slurmd",
    "SlurmctldLogFile": "/var/log/slurmctld.log",
    "GresTypes": "gpu",
    "Prolog[0]": "/etc/slurm/prolog.sh",
    "Prolog[1]": "/etc/slurm/prolog.d/*",
    "Epilog": "(null)",
    "PrologSlurmctld": "(null)",
    "HealthCheckProgram": "/usr/sbin/nhc",
    "HealthCheckInterval": "300 sec",
    "PrologEpilogTimeout": "65534",
    "PrologFlags": "Alloc",
}


def node(
    name: str, state: str, *flags: str, reason: str = "", user: str = "", since: datetime | None = None
) -> Node:
    """A GPU node in a state."""
    found = NodeState(state, frozenset(flags), reason, user, since)
    return Node(name, gpus=8, gpu_model="h100", cpus=192, memory_mb=2_000_000, state=found)


def nodes(prefix: str, count: int, state: str, *flags: str) -> tuple[Node, ...]:
    return tuple(node(f"{prefix}{number:03d}", state, *flags) for number in range(1, count + 1))


@dataclass
class Answers:
    """A SlurmClient with given answers. An error in place of an answer is raised."""

    given_nodes: tuple[Node, ...] | SlurmError = ()
    given_controllers: tuple[Controller, ...] | SlurmError = (UP,)
    given_config: Mapping[str, str] | SlurmError = field(default_factory=lambda: dict(CONFIG))
    given_partitions: tuple[Partition, ...] | SlurmError = ()
    given_version: str | SlurmError = "22.05.8"
    asked: list[str] = field(default_factory=list)

    def version(self) -> str:
        return self._give("version", self.given_version)

    def config(self) -> Mapping[str, str]:
        return self._give("config", self.given_config)

    def controllers(self) -> tuple[Controller, ...]:
        return self._give("controllers", self.given_controllers)

    def nodes(self) -> tuple[Node, ...]:
        return self._give("nodes", self.given_nodes)

    def partitions(self) -> tuple[Partition, ...]:
        return self._give("partitions", self.given_partitions)

    def _give(self, what: str, value: T | SlurmError) -> T:
        self.asked.append(what)
        if isinstance(value, SlurmError):
            raise value
        return value
