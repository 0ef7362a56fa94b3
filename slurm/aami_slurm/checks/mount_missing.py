"""mount-missing: a file system that the settings list for this node isn't mounted."""

from aami_slurm.checks._reading import Garbled, each, flag, named, say
from aami_slurm.finding import FAIL
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "mount-missing"
NEEDS = ("mounts",)
PHASES = ("health",)
# looks: a server may come up later than this node.
DEFAULTS = {"budget_s": 5.0, "effect": "drain-after-job", "limits": {}, "looks": 2}


def check(facts: "Facts", _limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(path: "str", row: "Dict[str, Any]") -> "List[Finding]":
        mounted = flag(row, "mounted")
        if mounted is None:
            raise Garbled("mounted: nothing")
        if mounted:
            return []
        words = "not mounted: %s" % plain(path, 120)
        return [say(facts, FAIL, words, source="proc", raw="%s is no mount point" % path, code="no-mount")]

    return each(facts, "proc", lambda: named(facts.mounts, "mounts"), judge)
