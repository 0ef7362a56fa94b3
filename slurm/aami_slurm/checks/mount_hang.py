"""mount-hang: a listed file system whose server doesn't answer. A child of ours asks it, so that only the child hangs."""

from aami_slurm.checks._reading import Garbled, each, named, say, word
from aami_slurm.finding import ERROR, FAIL, WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "mount-hang"
NEEDS = ("mounts",)
PHASES = ("health",)
DEFAULTS = {"budget_s": 5.0, "effect": "allow-and-record", "limits": {}}

CODE = "mount-hung"
ANSWERS = {
    "late": (ERROR, "no answer in time"),
    "stuck": (FAIL, "hangs: who looks at it can't be ended"),
}


def check(facts: "Facts", _limits: "Dict[str, Any]") -> "List[Finding]":
    def judge(path: "str", row: "Dict[str, Any]") -> "List[Finding]":
        told = word(row, "stat")
        if told == "ok" or row.get("mounted") is False:
            return []  # what isn't mounted can't hang: mount-missing tells
        if told in ANSWERS:
            outcome, words = ANSWERS[told]
        elif told is not None and told.startswith("error: "):
            outcome, words = WARN, plain(told[len("error: ") :], 80)
        else:
            raise Garbled("stat: %s" % plain(repr(told), 60))
        summary = "%s: %s" % (plain(path, 100), words)
        return [say(facts, outcome, summary, source="proc", raw="stat of %s: %s" % (path, told), code=CODE)]

    return each(facts, "proc", lambda: named(facts.mounts, "mounts"), judge)
