"""services: units of systemd that are meant to run on this node and don't."""

from aami_slurm.checks._reading import Garbled, each, flag, named, say, texts, word
from aami_slurm.finding import WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "services"
NEEDS = ("services",)
PHASES = ("health",)
UNITS = ["munge.service", "slurmd.service", "nvidia-persistenced.service", "nvidia-fabricmanager.service"]
DEFAULTS = {"budget_s": 2.0, "effect": "allow-and-record", "limits": {"units": UNITS}}

RUNS, NOT = "active", ("inactive", "failed")
NO_MATTER = ("not-found", "masked", "activating", "reloading", "deactivating")


def check(facts: "Facts", limits: "Dict[str, Any]") -> "List[Finding]":
    """A unit that isn't installed, or isn't meant to start at boot, is no finding."""

    def judge(unit: "str", row: "Dict[str, Any]") -> "List[Finding]":
        state, enabled = word(row, "active"), flag(row, "enabled")
        if unit not in texts(limits, "units", UNITS) or state == RUNS or state in NO_MATTER:
            return []
        if state not in NOT:
            raise Garbled("active: %s" % plain(repr(state), 40))
        if state == "inactive" and enabled is False:
            return []
        words = "%s is %s" % (plain(unit, 80), state)
        raw = "%s active=%s enabled=%s" % (unit, state, enabled)
        return [say(facts, WARN, words, source="systemd", raw=raw, code="service")]

    return each(facts, "systemd", lambda: named(facts.services, "services"), judge)
