"""clock-skew: the kernel says that its clock follows no time server, or is off."""

from aami_slurm.checks._reading import Garbled, each, flag, limit, real, say
from aami_slurm.finding import WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "clock-skew"
NEEDS = ("clock_sync",)
PHASES = ("health",)
DEFAULTS = {"budget_s": 2.0, "effect": "allow-and-record", "limits": {"offset_s": 1.0}}


def check(facts: "Facts", limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(told: "Dict[str, Any]") -> "List[Finding]":
        most = limit(limits, "offset_s", 1.0)
        synced, offset = flag(told, "synced"), real(told, "offset_s")
        if synced is None:
            raise Garbled("synced: nothing")
        if not synced:
            words = "the clock follows no time server"
        elif offset is not None and abs(offset) > most:
            words = "the clock is off by %.3f s" % offset
        else:
            return []
        raw = "synced=%s offset_s=%s max_error_s=%s" % (
            synced,
            offset,
            plain(str(told.get("max_error_s")), 24),
        )
        return [say(facts, WARN, words, source="kernel", raw=raw, code="clock")]

    return each(facts, "kernel", lambda: [facts.clock_sync], judge)
