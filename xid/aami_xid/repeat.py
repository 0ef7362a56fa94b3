"""What comes again: separate fault groups and distinct job runs are counted, never lines."""

from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

    from aami_xid.story import Group

    Key = Tuple[Any, ...]
    JobOf = Callable[[Group], Optional[str]]

HOUR = 3600.0
UNSURE = "unsure"


class Repeat:
    """One rule that fits: what came again, where, in how many groups and job runs, and what that says.

    `verdict` is "unsure" where the rule asks for distinct job runs and they are not known.
    """

    __slots__ = ("groups", "jobs", "key", "rule", "text", "verdict")

    def __init__(
        self, rule: "Dict[str, Any]", key: "Key", groups: "List[Group]", jobs: "List[str]"
    ) -> "None":
        self.rule: "str" = rule["name"]
        self.key = key
        self.groups = groups
        self.jobs = jobs
        self.verdict: "str" = rule["verdict"]
        self.text: "str" = rule["text"]

    def to_dict(self) -> "Dict[str, Any]":
        return {
            "rule": self.rule,
            "where": [str(part) for part in self.key],
            "groups": len(self.groups),
            "jobs": self.jobs,
            "verdict": self.verdict,
            "text": self.text,
        }


def find(
    found: "Iterable[Group]", job_of: "Optional[JobOf]" = None, rules: "Optional[Dict[str, Any]]" = None
) -> "List[Repeat]":
    """Every rule that fits, over groups of any length of time."""
    groups = list(found)
    jobs = {group: job_of(group) if job_of else None for group in groups}
    repeats: "List[Repeat]" = []
    for rule in (table("groups") if rules is None else rules)["repeat"]:
        by_key: "Dict[Key, List[Group]]" = {}
        for group in groups:
            for key in set(_keys(rule, group, jobs[group])):
                by_key.setdefault(key, []).append(group)
        for key in sorted(by_key, key=str):
            repeats.extend(_fits(rule, key, by_key[key], jobs))
    return repeats


def _keys(rule: "Dict[str, Any]", group: "Group", job: "Optional[str]") -> "Iterator[Key]":
    """What the rule counts by, for this group."""
    if "codes" in rule and group.root.code not in rule["codes"]:
        return
    if "severity" in rule and group.severity != rule["severity"]:
        return
    gpu = _gpu(group)
    if rule["by"] == "job":
        if job is not None:
            yield (job, group.root.code)
    elif gpu is not None and rule["by"] == "gpu":
        yield (gpu,)
    elif gpu is not None and rule["by"] == "gpu-and-root":
        yield (gpu, group.root.token)
    elif gpu is not None and rule["by"] == "location":
        for gpc, tpc in group.locations:
            yield (gpu, "GPC %d" % gpc, "TPC %d" % tpc)


def _gpu(group: "Group") -> "Optional[str]":
    """The UUID where it is known: bus ids and hosts may change behind it."""
    if not group.gpus:
        return None
    first = group.gpus[0]
    return first["uuid"] or "%s %s" % (group.host or "", first["bus_id"])


def _fits(
    rule: "Dict[str, Any]", key: "Key", groups: "List[Group]", jobs: "Dict[Group, Optional[str]]"
) -> "Iterator[Repeat]":
    window = _densest(groups, rule["hours"] * HOUR)
    named = sorted({job for job in (jobs[group] for group in window) if job is not None})
    if "gpus" in rule:
        if len({_gpu(group) for group in window}) >= rule["gpus"]:
            yield Repeat(rule, key, window, named)
        return
    if len(window) < rule["groups"]:
        return
    repeat = Repeat(rule, key, window, named)
    unknown = any(jobs[group] is None for group in window)
    if len(named) < rule.get("jobs", 0):
        if not unknown:
            return  # one job, again and again: its code
        repeat.verdict = UNSURE
    yield repeat


def _densest(groups: "List[Group]", seconds: "float") -> "List[Group]":
    """The most groups that began within this time of each other; those on another clock can't be compared."""
    best: "List[Group]" = []
    ordered = sorted(groups, key=lambda group: (group.clock, group.first_at))
    for number, first in enumerate(ordered):
        near = [
            group
            for group in ordered[number:]
            if group.clock == first.clock and group.first_at - first.first_at <= seconds
        ]
        best = max(best, near, key=len)
    return best
