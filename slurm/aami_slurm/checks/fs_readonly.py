"""fs-readonly: a local file system that became read-only, or stayed so against the node's own fstab."""

from aami_slurm.checks._reading import each, flag, named, say, texts, word
from aami_slurm.finding import ERROR, FAIL, WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Set

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "fs-readonly"
NEEDS = ("disks",)
PHASES = ("health",)
PATHS = ["/", "/tmp", "/var"]  # noqa: S108 - looked at, never written to
DEFAULTS = {"budget_s": 5.0, "effect": "drain-after-job", "limits": {"paths": PATHS}}

# Why it is read-only, as far as the mount table and fstab tell. `mounted`: on purpose, as of an image.
WHY = {
    "kernel": (FAIL, "the kernel made it read-only, as it does after errors"),
    "fstab": (FAIL, "mounted read-only, and fstab wants it writable"),
    "mounted": None,
}
NOT_TOLD = (WARN, "read-only, and nothing tells whether that is meant")


def check(facts: "Facts", limits: "Dict[str, Any]") -> "List[Finding]":
    told: "Set[str]" = set()

    def judge(path: "str", row: "Dict[str, Any]") -> "List[Finding]":
        error = word(row, "error")
        if path not in texts(limits, "paths", PATHS):
            return []
        if error is not None:
            words = "%s can't be looked at: %s" % (plain(path, 80), plain(error, 80))
            return [say(facts, ERROR, words, source="proc", raw=error, code="read-only")]
        place = word(row, "mount") or path
        verdict = WHY.get(word(row, "why_read_only") or "", NOT_TOLD)
        if not flag(row, "read_only") or verdict is None or place in told:
            return []
        told.add(place)  # / and /tmp of one file system are one fault
        outcome, words = verdict
        summary = "%s: %s" % (plain(place, 80), words)
        raw = "%s %s options %s" % (place, row.get("type"), row.get("options"))
        return [say(facts, outcome, summary, source="proc", raw=raw, code="read-only")]

    found = each(facts, "proc", lambda: named(facts.disks, "disks"), judge)
    if not found and not facts.disks:
        return [say(facts, ERROR, "no file system was looked at", source="proc", raw="", code="no-disks")]
    return found
