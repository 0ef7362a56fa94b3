"""One node out of the two answers that tell about it: sinfo's record and scontrol's line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aami_hpc.model.node import SLURM, Node
from aami_hpc.slurm.gres import gpus
from aami_hpc.slurm.parse import expand
from aami_hpc.slurm.state import parse_state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aami_hpc.model.node import NodeState
    from aami_hpc.model.slurm import Partition
    from aami_hpc.slurm.parse import Alike, Described

_UNTOLD = ("", (), None)


def membership(partitions: Iterable[Partition]) -> dict[str, list[str]]:
    """Node name to the names of its partitions."""
    found: dict[str, list[str]] = {}
    for partition in partitions:
        for name in expand(partition.nodes):
            found.setdefault(name, []).append(partition.name)
    return found


def node(name: str, record: Alike | None, told: Described | None, partitions: Iterable[str]) -> Node:
    """The node; what neither answer tells stays unset."""
    count, model = gpus(record.gres if record else told.gres if told else "")
    fields: dict[str, Any] = {
        "address": told.address if told else "",
        "partitions": tuple(partitions),
        "gpus": count,
        "gpu_model": model,
        "cpus": told.cpus if told else None,
        "memory_mb": told.memory_mb if told else None,
        "os": told.os if told else "",
        "arch": told.arch if told else "",
        "slurm_version": record.version if record else told.version if told else "",
        "state": _state(record, told),
    }
    known = {key: value for key, value in fields.items() if value not in _UNTOLD}
    return Node(name, **known, origin=dict.fromkeys(("name", *known), SLURM))


def _state(record: Alike | None, told: Described | None) -> NodeState | None:
    """The state as sinfo has it. A release that lacks its full notation (20.11) has it in scontrol alone."""
    shown = told.state if told else ""
    if record is not None:
        words = record.state or shown or record.word
        return parse_state(words, reason=record.reason, user=record.user, time=record.time)
    return parse_state(shown, reason=told.reason, user=told.user, time=told.time) if told else None
