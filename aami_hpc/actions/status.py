"""`status`: the cluster on one screen. What is not measured is not shown.

The JSON keys: `healthy`, `cluster` {name, source}, `configuration` (list of files), `slurm` {present, answers,
why}, `controllers` [{host, role, up}], `states` [{state, count, nodes, absent}], `drained` and `down`
[{nodes, count, state, reason, user, since, age_s}], and without Slurm `machine` (an object of facts).
The answer is no when a controller is down or silent, or a node that should serve is down or drained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.actions.look import ask_slurm
from aami_hpc.actions.result import Result
from aami_hpc.actions.status_page import page
from aami_hpc.fleet.inventory import build
from aami_hpc.fleet.nodeset import fold
from aami_hpc.fleet.survey import gpus, machine, slurm, slurm_files
from aami_hpc.fleet.survey.sighting import keyed
from aami_hpc.fleet.survey.world import World
from aami_hpc.io.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from aami_hpc.config import Settings
    from aami_hpc.fleet.survey.sighting import Sightings
    from aami_hpc.io.clock import Clock
    from aami_hpc.model.node import Node
    from aami_hpc.model.slurm import Controller
    from aami_hpc.slurm.client import SlurmClient

_DRAINED = "DRAIN"
_DOWN = frozenset({"DOWN", "ERROR", "FAIL", "INVALID_REG", "NOT_RESPONDING", "UNKNOWN"})
NO_STATE = "not in Slurm"
NOT_TOLD = "unknown: Slurm did not tell"


@dataclass(frozen=True, slots=True)
class StateGroup:
    """Nodes in one state."""

    state: str
    count: int
    nodes: str
    absent: bool
    trouble: bool


@dataclass(frozen=True, slots=True)
class OutOfService:
    """Nodes taken out for one reason by one person."""

    nodes: str
    count: int
    state: str
    reason: str
    user: str
    since: datetime | None  # the earliest of them

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """The JSON form."""
        return {
            "nodes": self.nodes,
            "count": self.count,
            "state": self.state,
            "reason": self.reason,
            "user": self.user,
            "since": self.since.isoformat() if self.since else None,
            "age_s": int((now - self.since).total_seconds()) if self.since else None,
        }


@dataclass(frozen=True, slots=True)
class Status:
    """Everything the screen shows."""

    name: str
    name_source: str
    files: tuple[str, ...]
    present: bool  # a cluster is set up here
    silent: str  # why Slurm did not tell about its nodes
    controllers: tuple[Controller, ...]
    states: tuple[StateGroup, ...]
    drained: tuple[OutOfService, ...]
    down: tuple[OutOfService, ...]
    machine: Sightings
    now: datetime

    @property
    def healthy(self) -> bool:
        """Everything that should serve, serves. Without a cluster there is nothing that could be down."""
        if not self.present:
            return True
        up = bool(self.controllers) and all(one.up for one in self.controllers)
        return up and not self.silent and not self.drained and not self.down

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        found: dict[str, Any] = {
            "healthy": self.healthy,
            "cluster": {"name": self.name or None, "source": self.name_source},
            "configuration": list(self.files),
            "slurm": {
                "present": self.present,
                "answers": self.present and not self.silent,
                "why": self.silent,
            },
            "controllers": [{"host": one.host, "role": one.role, "up": one.up} for one in self.controllers],
            "states": [
                {"state": group.state, "count": group.count, "nodes": group.nodes, "absent": group.absent}
                for group in self.states
            ],
            "drained": [group.as_dict(self.now) for group in self.drained],
            "down": [group.as_dict(self.now) for group in self.down],
        }
        if not self.present:
            found["machine"] = keyed(self.machine)
        return found


def status(
    settings: Settings,
    world: World | None = None,
    clock: Clock | None = None,
    connect: Callable[[], SlurmClient] | None = None,
) -> Result:
    """Ask Slurm, merge with the configuration, judge."""
    world, clock = world or World(), clock or SystemClock()
    view = ask_slurm(settings.slurm, world, connect)
    file = slurm_files.slurm_file(world, str(settings.slurm.conf or ""))
    present = slurm.present(view, file)
    nodes = build(settings, view.nodes or ()).nodes
    name, source = _name(settings, view, file)
    seen = Status(
        name=name,
        name_source=source,
        files=tuple(map(str, settings.files)),
        present=present,
        silent=view.silent or _unread(view),
        controllers=view.controllers or (),
        states=by_state(nodes, NO_STATE if view.nodes is not None or not present else NOT_TOLD),
        drained=out_of_service(node for node in nodes if drained(node)),
        down=out_of_service(node for node in nodes if down(node) and not drained(node)),
        machine=() if present else (*machine.machine(world), *gpus.gpus(world)),
        now=clock.now(),
    )
    return Result(seen.as_dict(), page(seen), yes=seen.healthy)


def drained(node: Node) -> bool:
    """Taken out of service on purpose, by a person or by a health check."""
    return node.state is not None and not node.state.absent and _DRAINED in node.state.words


def down(node: Node) -> bool:
    """Should serve and does not."""
    return node.state is not None and not node.state.absent and bool(node.state.words & _DOWN)


def by_state(nodes: Iterable[Node], stateless: str = NO_STATE) -> tuple[StateGroup, ...]:
    """Nodes folded by state, trouble first, then by number."""
    alike: dict[str, list[Node]] = {}
    for node in nodes:
        alike.setdefault(str(node.state) if node.state else stateless, []).append(node)
    groups = (
        StateGroup(
            state,
            len(same),
            fold(node.name for node in same),
            absent=same[0].state is not None and same[0].state.absent,
            trouble=drained(same[0]) or down(same[0]),
        )
        for state, same in alike.items()
    )
    return tuple(
        sorted(groups, key=lambda group: (not group.trouble, group.absent, -group.count, group.state))
    )


def out_of_service(nodes: Iterable[Node]) -> tuple[OutOfService, ...]:
    """Nodes folded by state, reason and who set it; the longest out first."""
    alike: dict[tuple[str, str, str], list[Node]] = {}
    for node in nodes:
        if node.state is not None:
            key = (str(node.state), node.state.reason, node.state.reason_user)
            alike.setdefault(key, []).append(node)
    groups = []
    for key, same in alike.items():
        times = [node.state.reason_time for node in same if node.state and node.state.reason_time]
        groups.append(OutOfService(fold(n.name for n in same), len(same), *key, min(times, default=None)))
    return tuple(sorted(groups, key=lambda group: (group.since is None, group.since, group.nodes)))


def _unread(view: slurm.SlurmView) -> str:
    """Why the nodes are not known although Slurm answers. Not to know is not healthy."""
    return next((gap.unknown for gap in view.unknown if gap.source == slurm.NODES), "")


def _name(settings: Settings, view: slurm.SlurmView, file: slurm_files.SlurmFile) -> tuple[str, str]:
    """The cluster's name and where it is known from; the configuration wins."""
    if settings.cluster.name:
        return settings.cluster.name, settings.origin("cluster.name")
    return slurm.setting(view, file, "ClusterName")
