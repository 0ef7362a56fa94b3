"""xid: what the driver reported in the kernel log since the last hook looked, by what each code asks for."""

from aami_slurm.checks._kernel import Report
from aami_slurm.checks._reading import each, limit, rows, say
from aami_slurm.finding import CONFIG, FAIL, WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set, Tuple

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "xid"
NEEDS = ("kernel",)
PHASES = ("prolog", "epilog", "health")
# codes: {"79": "fail", "sxid12028": "warn", "63": "ignore"}. fresh_s: a report older than that is history.
DEFAULTS = {"budget_s": 1.0, "effect": "block-and-drain", "limits": {"codes": {}, "fresh_s": 3600}}

IGNORE = "ignore"
NOTHING = frozenset(["none", "tell-user"])
NODE_OUT = frozenset(["reset-gpu", "drain-and-reset", "bus-reset", "reset-fabric", "reboot-node", "service"])
NOT_DRIVER = frozenset(["not-kernel", "not-driver"])  # another program's words, or about a process so named
LOST, ASKED_FOR = "lost", "recovery"  # families: the root of all others, and what comes of them
ROOT_FIRST = {LOST: 0, ASKED_FOR: 2}


def check(facts: "Facts", limits: "Dict[str, Any]") -> "List[Finding]":
    """One finding per GPU and code, the root first. Every GPU of the node: which job's it is, the verdict looks at."""
    groups: "Dict[Tuple[Any, str], List[Tuple[Optional[str], Report]]]" = {}

    def sort_in(event: "Dict[str, Any]") -> "List[Finding]":
        codes, fresh = limit(limits, "codes", {}), limit(limits, "fresh_s", 3600)
        report = Report(event)
        wish = codes.get(report.name, codes.get(str(report.code)))
        if wish not in (None, FAIL, WARN, IGNORE):
            words = "limit codes: %s isn't fail, warn or ignore" % plain(repr(wish), 40)
            return [say(facts, CONFIG, words, source="policy", raw=words, code="limit")]
        old = report.mono_us is not None and facts.mono_us - report.mono_us > fresh * 1000000
        if report.why not in NOT_DRIVER and not old:
            groups.setdefault((report.place, report.name), []).append((outcome_of(report, wish), report))
        return []

    found = each(facts, "kmsg", lambda: rows({"kernel": facts.kernel}, "kernel"), sort_in)
    told = []
    for group in groups.values():
        outcome, report = _chosen(group)
        if outcome is not None:
            told.append((outcome, report, len(group)))
    told.sort(key=lambda one: (one[0] != FAIL, ROOT_FIRST.get(one[1].family or "", 1), one[1].seq))
    roots: "Set[Any]" = set()
    for _, report, _ in told:
        # What follows a root is no less severe, but a drain is to name the root. A second lost GPU is a root, too.
        follows = report.place in roots if report.family == LOST else bool(roots)
        if follows and report.severity == "fatal":
            report.severity = "error"
        roots.add(report.place)
    return [report.finding(outcome, count) for outcome, report, count in told] + found


def outcome_of(report: "Report", wish: "Optional[str]") -> "Optional[str]":
    """`wish` is what the policy says of the code. What was not believed is never more than a warning."""
    if wish == IGNORE or (wish is None and report.action in NOTHING):
        return None
    out = wish == FAIL or (wish is None and report.action in NODE_OUT)
    return FAIL if out and report.believed else WARN


def _chosen(group: "List[Tuple[Optional[str], Report]]") -> "Tuple[Optional[str], Report]":
    """The worst of a code's reports, the newest of equals. Of recovery actions the newest: the driver takes them back."""
    if group[-1][1].family == ASKED_FOR:
        return max(group, key=lambda one: one[1].seq)
    return max(group, key=lambda one: (one[0] is not None, one[0] == FAIL, one[1].seq))
