"""nvlink-down: a GPU with fewer active NVLinks than it should have."""

from aami_slurm.checks._gpus import each_gpu, on_gpu
from aami_slurm.checks._reading import Garbled, flag, limit, rows, whole
from aami_slurm.finding import FAIL, WARN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "nvlink-down"
NEEDS = ("gpus",)
PHASES = ("prolog", "epilog", "health")
# expected_links 0: as many as the best GPU of the same model on this node has. looks: after a boot links still train.
DEFAULTS = {"budget_s": 30.0, "effect": "drain-after-job", "limits": {"expected_links": 0}, "looks": 2}

CODE = "nvlink"


def check(facts: "Facts", limits: "Dict[str, Any]") -> "List[Finding]":
    """Cards without NVLink, and cards cut into MIG devices, which use none, are not looked at."""

    def judge(row: "Dict[str, Any]") -> "List[Finding]":
        told = limit(limits, "expected_links", 0)
        if row.get("mig") is not None or not row.get("links"):
            return []
        active, down = _links(row)
        expected = told or _most(facts, row)
        raw = "links active=%s inactive=%s" % (active, down)
        if len(active) < expected:
            words = "%d of %d NVLinks are up; down: %s" % (len(active), expected, _list(down))
            return [on_gpu(facts, row, FAIL, words, code=CODE, raw=raw, action="reset-gpu")]
        if down and not told:
            # Every GPU of this kind has as few: one switch lost all of them a link, or the board has no more.
            words = "%d of %d NVLinks are up, on no GPU more" % (len(active), len(active) + len(down))
            return [on_gpu(facts, row, WARN, words, code=CODE, raw=raw, action="investigate")]
        return []

    return each_gpu(facts, judge)


def _links(row: "Dict[str, Any]") -> "Any":
    """(links that are up, links that are down), by number."""
    active: "List[int]" = []
    down: "List[int]" = []
    for link in rows(row, "links"):
        if not isinstance(link, dict):
            raise Garbled("a link's row is none")
        number, up = whole(link, "link"), flag(link, "active")
        if number is not None and up is not None:
            (active if up else down).append(number)
    return active, down


def _most(facts: "Facts", row: "Dict[str, Any]") -> "int":
    """What the best GPU of this model has. The reading may be of the job's GPUs only: then these are compared."""
    most = 0
    for other in rows(facts.gpus, "gpus"):
        if isinstance(other, dict) and other.get("model") == row.get("model") and other.get("links"):
            try:
                most = max(most, len(_links(other)[0]))
            except Garbled:
                continue  # its own turn tells
    return most


def _list(numbers: "List[int]") -> "str":
    return ", ".join(str(number) for number in numbers[:18]) or "not told"
