"""row-remap-pending: a broken memory row will be replaced at the next reset, and is only fenced off until then."""

from aami_slurm.checks._gpus import each_gpu, on_gpu
from aami_slurm.checks._reading import flag, part
from aami_slurm.finding import WARN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "row-remap-pending"
NEEDS = ("gpus",)
PHASES = ("epilog", "health")
DEFAULTS = {"budget_s": 30.0, "effect": "allow-and-record", "limits": {}}


def check(facts: "Facts", _limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(row: "Dict[str, Any]") -> "List[Finding]":
        told = part(row, "remap")
        if not flag(told, "pending"):
            return []
        words = "a memory row waits to be remapped: reset the GPU when it is idle"
        return [
            on_gpu(facts, row, WARN, words, code="remap-due", raw="remap=%s" % told, action="reset-when-idle")
        ]

    return each_gpu(facts, judge)
