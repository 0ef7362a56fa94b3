"""gpu-count: every GPU that the inventory knows answers, and there are as many as Slurm is configured for."""

from aami_slurm.checks._gpus import about, concerns, each_gpu, known, live, on_gpu, on_node, taken_out
from aami_slurm.checks._reading import Garbled, word
from aami_slurm.finding import CONFIG, ERROR, FAIL, WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "gpu-count"
NEEDS = ("gpus",)
PHASES = ("prolog", "epilog", "health")
DEFAULTS = {"budget_s": 30.0, "effect": "block-and-drain", "limits": {}}

LOST = "gpu-lost"
# What the driver says of a GPU it can't open: (words, action). Anything else may be the tool's trouble.
DEAD = {
    "gpu-is-lost": ("the driver has lost this GPU", "reboot-node"),
    "gpu-not-found": ("the driver no longer finds this GPU", "reboot-node"),
    "reset-required": ("this GPU answers nothing before a reset", "reset-gpu"),
}


def check(facts: "Facts", _limits: "Dict[str, Any]") -> "List[Finding]":
    """A job's GPUs in prolog and epilog; the node's number only where the whole node was read."""

    def judge(row: "Dict[str, Any]") -> "List[Finding]":
        trouble = word(row, "trouble")
        if trouble is None:
            return []
        if trouble in DEAD:
            words, action = DEAD[trouble]
            return [on_gpu(facts, row, FAIL, words, code=LOST, raw="trouble=%s" % trouble, action=action)]
        words = "the driver can't open it: %s" % plain(trouble, 80)
        return [on_gpu(facts, row, ERROR, words, code="gpu-trouble", raw="trouble=%s" % trouble)]

    found = each_gpu(facts, judge)
    try:
        answered = [row for row in live(facts) if isinstance(row, dict)]
    except Garbled:
        return found  # each_gpu told
    if facts.job_gpus is None and facts.gpus and facts.gpus.get("whole") is False:
        return found  # a reading of some GPUs says nothing about the others
    found += _missing(facts, answered)
    return found + _counted(facts, answered, found)


def _missing(facts: "Facts", answered: "List[Dict[str, Any]]") -> "List[Finding]":
    """GPUs that the inventory knows and the reading doesn't have."""
    here = [row.get("uuid") for row in answered]
    found = []
    for row in known(facts):
        if row.get("uuid") not in here and concerns(facts, row):
            told = (row.get("uuid"), row.get("bus_id"), row.get("serial"), len(answered))
            raw = "%s at %s, serial %s, is not among the %d that answered" % told
            outcome = WARN if taken_out(facts, row) else FAIL
            words = "the driver no longer lists this GPU"
            found.append(
                on_node(facts, outcome, words, code=LOST, raw=raw, action="reboot-node", **about(facts, row))
            )
    return found


def _counted(facts: "Facts", answered: "List[Dict[str, Any]]", found: "List[Finding]") -> "List[Finding]":
    """The number against Slurm's. MIG devices are Slurm's GPUs then, and their number is set up, not broken."""
    expected = facts.expected_gpus
    if expected is None or facts.job_gpus is not None or any(one.outcome == FAIL for one in found):
        return []  # a GPU that is told as lost isn't told again as too few
    cut = [row["mig"] for row in answered if isinstance(row.get("mig"), list)]
    devices = len(answered) - len(cut) + sum(len(layout) for layout in cut)
    if expected in {len(answered), devices}:
        return []
    words = "%d GPUs answer, Slurm is configured for %d" % (devices, expected)
    return [
        on_node(facts, FAIL if devices < expected and not cut else CONFIG, words, code="gpu-count", raw=words)
    ]
