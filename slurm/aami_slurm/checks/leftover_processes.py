"""leftover-processes: what still runs on the job's GPUs after the job. It is told, never killed."""

from aami_slurm.checks._gpus import each_gpu, on_gpu
from aami_slurm.checks._reading import Garbled, limit, rows, whole
from aami_slurm.finding import WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "leftover-processes"
NEEDS = ("gpus",)
PHASES = ("epilog",)
# lowest_uid: processes of system users, below it, are services of the node.
DEFAULTS = {"budget_s": 30.0, "effect": "allow-and-record", "limits": {"lowest_uid": 1000}}

TICKS = 100  # of a process's start time, a second: the same on every Linux
TOLD = 8  # processes named


def check(facts: "Facts", limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(row: "Dict[str, Any]") -> "List[Finding]":
        lowest = limit(limits, "lowest_uid", 1000)
        if facts.job_gpus is None or row.get("processes") is None:
            return []
        others = _neighbours(facts, row)
        left = []
        for process in rows(row, "processes"):
            if not isinstance(process, dict):
                raise Garbled("a process's row is none")
            pid, started, uid = (whole(process, key) for key in ("pid", "started", "uid"))
            if pid is not None and _is_left(facts, started, uid, others, lowest):
                left.append("%d %s" % (pid, plain(str(process.get("name") or "?"), 32)))
        if not left:
            return []
        words = "%d process%s of an ended job: %s" % (
            len(left),
            "" if len(left) == 1 else "es",
            ", ".join(left[:TOLD]),
        )
        return [on_gpu(facts, row, WARN, words, code="leftover", raw="; ".join(left), action="investigate")]

    return each_gpu(facts, judge)


def _is_left(
    facts: "Facts", started: "Optional[int]", uid: "Optional[int]", others: "Set[Any]", lowest: "float"
) -> "bool":
    """Began before this epilog, is no service, and can't be another job's. Without a start it has ended meanwhile."""
    if started is None or started * (1000000 // TICKS) >= facts.mono_us:
        return False
    if uid is None:
        return not others
    return uid >= lowest and uid not in others


def _neighbours(facts: "Facts", row: "Dict[str, Any]") -> "Set[Any]":
    """The users of the other live job runs that hold this GPU, or may hold it."""
    found = set()
    for run in facts.neighbours:
        held = run.get("gpus") or []
        if run.get("unresolved") or any(
            isinstance(gpu, dict) and gpu.get("uuid") == row.get("uuid") for gpu in held
        ):
            found.add(run.get("uid"))
    return found
