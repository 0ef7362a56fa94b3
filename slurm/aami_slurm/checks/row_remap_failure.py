"""row-remap-failure: the card has no spare memory rows left to put in a broken one's place."""

from aami_slurm.checks._gpus import each_gpu, on_gpu
from aami_slurm.checks._reading import flag, part
from aami_slurm.finding import FAIL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "row-remap-failure"
NEEDS = ("gpus",)
PHASES = ("prolog", "epilog", "health")
DEFAULTS = {"budget_s": 30.0, "effect": "block-and-drain", "limits": {}}


def check(facts: "Facts", _limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(row: "Dict[str, Any]") -> "List[Finding]":
        told = part(row, "remap")
        if not flag(told, "failure"):
            return []
        words = "a memory row could not be remapped: the card needs service"
        return [on_gpu(facts, row, FAIL, words, code="remap", raw="remap=%s" % told, action="service")]

    return each_gpu(facts, judge)
