"""Releases of Slurm as pairs of numbers, and since which of them something holds."""

from __future__ import annotations

import re
from typing import TypeAlias

Release: TypeAlias = tuple[int, int]

OLDEST: Release = (22, 5)  # what the hooks are tested with
NEWEST: Release = (26, 5)
RELATIVE: Release = (23, 11)  # Prolog= beside slurm.conf, by its name alone; pushed to configless nodes
REPORT: Release = (26, 5)  # a health program may be told the node's state

_NUMBERS = re.compile(r"(\d\d)\.(\d\d?)(?!\d)")


def release(version: str) -> Release | None:
    """`24.11.5` is of (24, 11); None for what is no version."""
    found = _NUMBERS.search(version)
    return (int(found[1]), int(found[2])) if found else None


def words(of: Release) -> str:
    """As people write it: 22.05."""
    return f"{of[0]}.{of[1]:02d}"
