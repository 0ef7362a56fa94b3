"""A node as the stable keys of `--json`, and as words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from aami_hpc.model.node import Node, NodeState

_STEPS = ((86400, "d"), (3600, "h"), (60, "min"))


def as_dict(node: Node, now: datetime) -> dict[str, Any]:
    """The keys are documented in docs/nodes.md. What nobody told is null."""
    return {
        "name": node.name,
        "address": node.address,
        "partitions": list(node.partitions),
        "gpus": node.gpus,
        "gpu_model": node.gpu_model or None,
        "cpus": node.cpus,
        "memory_mb": node.memory_mb,
        "os": node.os or None,
        "arch": node.arch or None,
        "slurm_version": node.slurm_version or None,
        "ssh_user": node.ssh_user or None,
        "ssh_port": node.ssh_port,
        "state": _state(node.state, now) if node.state else None,
        "labels": dict(node.labels),
        "exporters": None,
        "alerts": None,
        "origin": dict(node.origin),
    }


def _state(state: NodeState, now: datetime) -> dict[str, Any]:
    age = None if state.reason_time is None else int((now - state.reason_time).total_seconds())
    return {
        "words": str(state),
        "base": state.base,
        "flags": sorted(state.flags),
        "absent": state.absent,
        "reason": state.reason or None,
        "user": state.reason_user or None,
        "since": stamp(state.reason_time) if state.reason_time else None,
        "age_s": age,
    }


def gpus(node: Node) -> str:
    """`8 h100`, `8`, `0`, or a dash where nobody told."""
    if node.gpus is None:
        return "-"
    return f"{node.gpus} {node.gpu_model}".strip()


def stamp(time: datetime) -> str:
    """RFC 3339 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(time: datetime, now: datetime) -> str:
    """How long ago in one rounded-down number."""
    seconds = int((now - time).total_seconds())
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now" if seconds >= 0 else "in the future"
