"""recovery-action: what the driver itself asks for, GPU by GPU. Its numbers are names, not an order."""

from aami_slurm.checks._gpus import each_gpu, on_gpu
from aami_slurm.checks._reading import whole
from aami_slurm.finding import FAIL, WARN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "recovery-action"
NEEDS = ("gpus",)
PHASES = ("prolog", "epilog", "health")
DEFAULTS = {"budget_s": 30.0, "effect": "block-and-drain", "limits": {}}

# The driver's number: (outcome, action, what it asks for).
MEANING = {
    1: (FAIL, "reset-gpu", "a reset of the GPU"),
    2: (FAIL, "reboot-node", "a reboot of the node"),
    3: (WARN, "drain-peers", "jobs with peer access to end"),
    4: (FAIL, "drain-and-reset", "the running job to end, then a reset of the GPU"),
    5: (WARN, "recover-imex", "recovery of the IMEX domain, which is more than this node"),
    6: (FAIL, "bus-reset", "a reset of its bus"),
    7: (FAIL, "reboot-node", "a reboot of the whole system"),
}
UNKNOWN = (WARN, "investigate", "something that no published table names")


def check(facts: "Facts", _limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(row: "Dict[str, Any]") -> "List[Finding]":
        asked = whole(row, "recovery_action")
        if not asked:
            return []
        outcome, action, words = MEANING.get(asked, UNKNOWN)
        summary = "the driver asks for %s (recovery action %d)" % (words, asked)
        raw = "recovery_action=%d" % asked
        return [on_gpu(facts, row, outcome, summary, code="recovery", raw=raw, action=action)]

    return each_gpu(facts, judge)
