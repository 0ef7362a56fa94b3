"""ecc-uncorrectable: memory errors that could not be corrected since the GPU was last reset, on any of the GPUs."""

from aami_slurm.checks._gpus import each_gpu, on_gpu
from aami_slurm.checks._reading import flag, limit, whole
from aami_slurm.finding import FAIL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "ecc-uncorrectable"
NEEDS = ("gpus",)
PHASES = ("prolog", "epilog", "health")
DEFAULTS = {"budget_s": 30.0, "effect": "drain-after-job", "limits": {"count": 0}}


def check(facts: "Facts", limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(row: "Dict[str, Any]") -> "List[Finding]":
        most = limit(limits, "count", 0)
        count = whole(row, "ecc_uncorrectable")
        if count is None or count <= most or flag(row, "ecc_mode") is False:
            return []
        summary = "%d uncorrectable memory error%s since the last reset" % (count, "s" if count > 1 else "")
        raw = "ecc_uncorrectable=%d" % count
        return [on_gpu(facts, row, FAIL, summary, code="ecc", raw=raw, action="reset-gpu")]

    return each_gpu(facts, judge)
