"""Slurm's words for the state of a node, of all releases, as one base state and a set of flags.

Three notations are read: full (`IDLE+DRAIN+PLANNED`), full with a symbol behind the base (`MIXED*+CLOUD`,
releases up to 21.08) and the single word of sinfo (`drained*`). A word nobody knows is kept as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aami_hpc.model.node import NodeState

if TYPE_CHECKING:
    from datetime import datetime

# The symbols behind a state, as `man sinfo` explains them.
_SYMBOLS = {
    "*": "NOT_RESPONDING",
    "~": "POWERED_DOWN",
    "#": "POWERING_UP",
    "!": "POWER_DOWN",
    "%": "POWERING_DOWN",
    "$": "MAINTENANCE",
    "@": "REBOOT_REQUESTED",
    "^": "REBOOT_ISSUED",
    "-": "PLANNED",
    "+": "COMPLETING",
}

# Other names of the same thing: short words of sinfo, and words of older releases.
_ALIASES = {
    "ALLOC": "ALLOCATED",
    "BOOT": "REBOOT_ISSUED",
    "COMP": "COMPLETING",
    "DRAINED": "DRAIN",
    "DRNG": "DRAINING",
    "FUTR": "FUTURE",
    "INVAL": "INVALID_REG",
    "MAINT": "MAINTENANCE",
    "MIX": "MIXED",
    "NO_RESPOND": "NOT_RESPONDING",
    "NPC": "PERFCTRS",
    "PLND": "PLANNED",
    "POWER": "POWERED_DOWN",
    "POWER_SAVING": "POWERED_DOWN",
    "POW_DN": "POWER_DOWN",
    "POW_UP": "POWERING_UP",
    "REBOOT": "REBOOT_REQUESTED",
    "RESV": "RESERVED",
    "UNK": "UNKNOWN",
}
_AT_WORK = {"DRAINING": "DRAIN", "FAILING": "FAIL"}  # sinfo's words for a flag on a node that has jobs

BASES = ("ALLOCATED", "DOWN", "ERROR", "FUTURE", "IDLE", "MIXED", "UNKNOWN")
FLAGS = (
    "BLOCKED",
    "CLOUD",
    "COMPLETING",
    "DRAIN",
    "DYNAMIC_FUTURE",
    "DYNAMIC_NORM",
    "EXTERNAL",
    "FAIL",
    "INVALID_REG",
    "MAINTENANCE",
    "NOT_RESPONDING",
    "PERFCTRS",
    "PLANNED",
    "POWERED_DOWN",
    "POWERING_DOWN",
    "POWERING_UP",
    "POWER_DOWN",
    "POWER_UP",
    "REBOOT_ISSUED",
    "REBOOT_REQUESTED",
    "RESERVED",
)
_PART = re.compile(r"(.*?)([*~#!%$@^-]*)", re.DOTALL)


def canonical(word: str) -> str:
    """One name for one thing: `maint`, `MAINT` and `MAINTENANCE` are `MAINTENANCE`."""
    upper = word.upper()
    return _ALIASES.get(upper, upper)


def parse_state(
    text: str, *, reason: str = "", user: str = "", time: datetime | None = None
) -> NodeState | None:
    """The state in the text, or None when there is none. The base stands first in every full notation."""
    text = text.strip()
    words: list[str] = []
    symbols = "+" if text.endswith("+") else ""
    for part in text.split("+"):
        match = _PART.fullmatch(part)
        if match and match[1]:
            words.append(canonical(match[1]))
        symbols += match[2] if match else ""
    if not words:
        return None
    base, *flags = words
    if base in _AT_WORK:
        base, flags = "ALLOCATED", [_AT_WORK[base], *flags]
    elif base in FLAGS:  # sinfo's single word for a node without jobs
        base, flags = "IDLE", [base, *flags]
    flags += [_SYMBOLS[symbol] for symbol in symbols]
    return NodeState(base, frozenset(flags) - {base}, reason, user, time)
