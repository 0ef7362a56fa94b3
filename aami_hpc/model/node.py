"""A node as Slurm and the configuration know it, and the state Slurm gives it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# States in which a node is switched off, not yet there or promised away on purpose: it is neither a failure
# nor something to connect to. Names as Slurm writes them, of all releases.
ABSENT_STATES = frozenset(
    {"POWERED_DOWN", "POWERING_DOWN", "POWERING_UP", "POWER_DOWN", "POWER_UP", "FUTURE", "PLANNED"}
)

SLURM = "slurm"  # the origin of what Slurm told

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_RESERVED = frozenset({"all", "default"})  # words that Slurm's own commands take for something else
_DIGITS = re.compile(r"(\d+)")


def is_node_name(text: str) -> bool:
    """Whether the text may stand as one literal node in a command: no pattern, no option, no word of Slurm's."""
    return _NAME.fullmatch(text) is not None and text.lower() not in _RESERVED


def natural(name: str) -> tuple[tuple[str, int, str], ...]:
    """A sort key that puts n9 before n10, and is never equal for two names."""
    parts = _DIGITS.split(name)
    texts, numbers = parts[::2], [*parts[1::2], ""]
    return tuple((text, int(number or -1), number) for text, number in zip(texts, numbers, strict=True))


@dataclass(frozen=True, slots=True)
class NodeState:
    """Slurm's state of a node: one base state and a set of flags, as `IDLE+DRAIN+PLANNED` says them."""

    base: str
    flags: frozenset[str] = frozenset()
    reason: str = ""
    reason_user: str = ""
    reason_time: datetime | None = None

    @property
    def words(self) -> frozenset[str]:
        return self.flags | {self.base}

    @property
    def absent(self) -> bool:
        """Powered down, on its way up or down, FUTURE or PLANNED: no failure and no SSH target."""
        return bool(self.words & ABSENT_STATES)

    def __str__(self) -> str:
        return "+".join([self.base, *sorted(self.flags)])


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the inventory. `origin` tells per field where its value came from."""

    name: str
    address: str = ""
    partitions: tuple[str, ...] = ()
    gpus: int | None = None
    gpu_model: str = ""
    cpus: int | None = None
    memory_mb: int | None = None
    os: str = ""
    arch: str = ""
    slurm_version: str = ""
    ssh_user: str = ""
    ssh_port: int | None = None
    state: NodeState | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)

    @property
    def reachable_by_ssh(self) -> bool:
        """Whether connecting makes sense at all (not whether it works)."""
        return self.state is None or not self.state.absent
