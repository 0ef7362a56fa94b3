"""The words people select nodes by when they mean a state: `drain`, `idle`, `maint`, `powered_down`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.slurm.state import BASES, FLAGS, canonical

if TYPE_CHECKING:
    from aami_hpc.model.node import Node, NodeState

_JOBS = frozenset({"ALLOCATED", "MIXED", "COMPLETING"})
# Words that stand for several of Slurm's own, as sinfo has them, and the one that gathers what is out of use.
_MIXTURES = ("drained", "draining", "failing")
ABSENT = "absent"  # powered down, on its way up or down, planned or future
STATES = (*sorted(word.lower() for word in (*BASES, *FLAGS)), *_MIXTURES, ABSENT)


def of_node(node: Node) -> frozenset[str]:
    """Every word that is true of the node's state."""
    return of_state(node.state) if node.state else frozenset()


def of_state(state: NodeState) -> frozenset[str]:
    """Slurm's own words in lower case, and the mixtures."""
    words = {word.lower() for word in state.words}
    at_work = bool(state.words & _JOBS)
    if "DRAIN" in state.words:
        words.add("draining" if at_work else "drained")
    if "FAIL" in state.words and at_work:
        words.add("failing")
    if state.absent:
        words.add(ABSENT)
    return frozenset(words)


def asked(word: str) -> str:
    """The word as STATES has it: `alloc` is `allocated`, `maint` is `maintenance`."""
    lower = word.lower()
    return lower if lower in _MIXTURES else canonical(word).lower()
