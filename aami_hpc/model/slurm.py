"""What Slurm tells about itself: its controllers and its partitions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Controller:
    """One slurmctld as `scontrol ping` sees it. `role` is `primary`, `backup`, `backup2` …"""

    host: str
    role: str
    up: bool


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition. `nodes` is folded as Slurm writes it, and empty when the partition has none."""

    name: str
    nodes: str = ""
    state: str = ""
    default: bool = False
