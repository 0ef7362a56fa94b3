"""disk-free: a local file system that is nearly full, in bytes or in inodes."""

from aami_slurm.checks._reading import Garbled, each, limit, named, say, texts, whole, word
from aami_slurm.finding import ERROR, WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "disk-free"
NEEDS = ("disks",)
PHASES = ("health",)
PATHS = ["/", "/tmp", "/var"]  # noqa: S108 - looked at, never written to
USUAL = {"paths": PATHS, "percent": 5, "bytes": 5 << 30, "inodes_percent": 5}
DEFAULTS = {"budget_s": 5.0, "effect": "allow-and-record", "limits": USUAL}


def check(facts: "Facts", limits: "Dict[str, Any]") -> "List[Finding]":
    """Both the share and the bytes must be short: 5 % of a small /tmp is little, 5 % of 10 TB is not."""

    def judge(path: "str", row: "Dict[str, Any]") -> "List[Finding]":
        share, least, inodes = (
            limit(limits, key, USUAL[key]) for key in ("percent", "bytes", "inodes_percent")
        )
        error = word(row, "error")
        if path not in texts(limits, "paths", PATHS):
            return []
        if error is not None:
            words = "%s can't be looked at: %s" % (plain(path, 80), plain(error, 80))
            return [say(facts, ERROR, words, source="proc", raw=error, code="disk-low")]
        short = []
        free, left = _percent(row, "free", "total"), _percent(row, "inodes_free", "inodes")
        if free is not None and free < share and row["free"] < least:
            short.append("%.1f %% free" % free)
        if left is not None and left < inodes:
            short.append("%.1f %% of the inodes free" % left)
        if not short:
            return []
        raw = " ".join("%s=%s" % (key, row.get(key)) for key in ("free", "total", "inodes_free", "inodes"))
        summary = "%s: %s" % (plain(path, 80), ", ".join(short))
        return [say(facts, WARN, summary, source="proc", raw=raw, code="disk-low")]

    found = each(facts, "proc", lambda: named(facts.disks, "disks"), judge)
    if not found and not facts.disks:
        return [say(facts, ERROR, "no file system was looked at", source="proc", raw="", code="no-disks")]
    return found


def _percent(row: "Dict[str, Any]", part: "str", of: "str") -> "Any":
    """The share in percent; None where a file system doesn't count such a thing (btrfs has no inode total)."""
    free, total = whole(row, part), whole(row, of)
    if not total:
        return None
    if free is None or free > total:
        raise Garbled("%s: %s of %s" % (part, free, total))
    return 100.0 * free / total
