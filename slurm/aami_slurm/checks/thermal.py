"""thermal: a GPU at its own slowdown temperature, or one that its hardware slows down."""

from aami_slurm.checks._gpus import each_gpu, on_gpu
from aami_slurm.checks._reading import Garbled, limit, whole
from aami_slurm.finding import WARN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "thermal"
NEEDS = ("gpus",)
PHASES = ("epilog", "health")
# throttle_bits: 0x8 hardware slowdown, 0x40 hardware thermal slowdown. 0x20, the software's, is usual under load.
DEFAULTS = {"budget_s": 30.0, "effect": "allow-and-record", "limits": {"margin_c": 0, "throttle_bits": 0x48}}

HOTTEST = 200  # no sensor of a card says more and means it


def check(facts: "Facts", limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(row: "Dict[str, Any]") -> "List[Finding]":
        margin, bits = limit(limits, "margin_c", 0), int(limit(limits, "throttle_bits", 0x48))
        degrees, throttle = whole(row, "temperature", -HOTTEST), whole(row, "throttle")
        # Some cards give a limit that is relative, and not above zero: nothing to compare with.
        slowdown = whole(row, "slowdown_limit", -HOTTEST) or 0
        if degrees is not None and degrees > HOTTEST:
            raise Garbled("temperature: %d" % degrees)
        said = []
        if degrees is not None and 0 < slowdown <= degrees + margin:
            said.append("%d C, and the card slows down at %d C" % (degrees, slowdown))
        if throttle is not None and throttle & bits:
            said.append("its hardware slows it down (reasons 0x%x)" % throttle)
        if not said:
            return []
        raw = "temperature=%s slowdown_limit=%s throttle=%s" % (degrees, slowdown or None, throttle)
        words = "; ".join(said)
        return [on_gpu(facts, row, WARN, words, code="thermal", raw=raw, action="investigate")]

    return each_gpu(facts, judge)
