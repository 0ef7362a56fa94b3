"""What findings may cause under a policy: allow, record, drain after the job, or block the job and drain. Pure.

Only a `fail` ever drains, and only on fresh evidence: a line that a drain has covered already, a reading of minutes
ago, or one from before this boot is set aside as stale. Only the prolog blocks, and only on a fault of the node or of
this job's own GPUs. What the policy holds in shadow or has snoozed drains nothing; `would` says what it would have done.
"""

from aami_slurm.finding import FAIL, PASS, subject
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Tuple

    from aami_slurm.finding import Finding
    from aami_slurm.policy import Rule

ALLOW, RECORD, DRAIN, BLOCK = "allow", "allow-and-record", "drain-after-job", "block-and-drain"
VERDICTS = (ALLOW, RECORD, DRAIN, BLOCK)  # the weakest first
OFF, SHADOW, ENFORCE = "off", "shadow", "enforce"
PROLOG = "prolog"
FRESH_S = 3600  # a journalled line; the limit `fresh_s` of a check changes it
READING_S = 60  # anything else that was looked at
_SEVERITIES = ("fatal", "error", "warning", "info")
_OUTCOMES = ("fail", "error", "config", "warn")
_WORDS = 160


class Decision:
    """`finding` is the root: the one that the verdict rests on, None if nothing was found. `mode` is that of its rule;
    `rule` says which rule that is. `findings` are all but the passes, the root first; `stale` those of them that were
    set aside, `fails` those that would drain if all were enforced, `held` those of the fails that the policy held back.
    `code`, `gpu` and `words` stand in the reason of a drain.
    """

    __slots__ = (
        "code",
        "fails",
        "finding",
        "findings",
        "gpu",
        "held",
        "mode",
        "rule",
        "stale",
        "verdict",
        "words",
        "would",
    )

    def __init__(self, weighed: "List[_Weighed]", mode: "str") -> "None":
        root = weighed[0] if weighed else None
        self.verdict = root.verdict if root else ALLOW
        self.would = max((one.would for one in weighed), key=VERDICTS.index, default=ALLOW)
        self.findings = [one.finding for one in weighed]
        self.stale = [one.finding for one in weighed if one.stale]
        fails = [one for one in weighed if one.would in (DRAIN, BLOCK)]
        self.fails = [one.finding for one in fails]
        self.held = [one.finding for one in fails if one.verdict not in (DRAIN, BLOCK)]
        self.finding: "Optional[Finding]" = root.finding if root else None
        self.mode = root.mode if root else mode
        self.rule = root.told if root else ""
        self.code = (root.finding.code or root.finding.check) if root else ""
        self.gpu = root.finding.gpu if root else None
        others = sum(one.finding.outcome == FAIL for one in weighed[1:])  # what could not be told is no fault
        self.words = _words(root.finding, others) if root else ""

    def to_dict(self) -> "Dict[str, Any]":
        """For the journal: the root whole, of the others what tells them apart."""
        return {
            "verdict": self.verdict,
            "mode": self.mode,
            "would": self.would,
            "code": self.code,
            "gpu": self.gpu,
            "gpu_uuid": self.finding.gpu_uuid if self.finding else None,
            "words": self.words,
            "rule": self.rule,
            "finding": self.finding.to_dict() if self.finding else None,
            "others": [_brief(one) for one in self.findings[1:]],
            "stale": [_brief(one) for one in self.stale],
        }


def decide(
    phase: "str",
    findings: "Iterable[Finding]",
    rules: "Mapping[str, Rule]",
    *,
    job_gpus: "Optional[FrozenSet[str]]",
    covered_seq: "int",
    now_mono_us: "int",
    covered: "Optional[Mapping[str, int]]" = None,
) -> "Decision":
    """The one verdict over all findings. `rules` are by check; a check without one may cause nothing.

    `job_gpus` are the UUIDs of this job's GPUs; None means that there is no job or that they are not known, and then
    no GPU's fault blocks. What has had its consequence: lines of the journal up to `covered_seq`, and by `subject()` those
    up to the number in `covered`.
    """
    weighed = []
    for finding in findings:
        rule = rules.get(finding.check)
        if finding.outcome != PASS and not (rule and rule.mode == OFF):
            past = max(covered_seq, (covered or {}).get(subject(finding.gpu_uuid, finding.code), 0))
            fresh = _is_fresh(finding, rule, past, now_mono_us)
            strongest = _strongest(finding, phase, job_gpus) if fresh else RECORD
            weighed.append(_Weighed(finding, rule, strongest, fresh=fresh))
    weighed.sort(key=_order)
    enforced = any(rule.mode == ENFORCE for rule in rules.values())
    return Decision(weighed, ENFORCE if enforced else SHADOW)


class _Weighed:
    """One finding, what it causes, and what it would cause if its rule were enforced in full."""

    __slots__ = ("finding", "mode", "stale", "told", "verdict", "would")

    def __init__(
        self, finding: "Finding", rule: "Optional[Rule]", strongest: "str", *, fresh: "bool"
    ) -> "None":
        capped = finding.outcome != FAIL or rule is None or rule.at_most_warn
        self.finding = finding
        self.stale = finding.outcome == FAIL and not fresh
        self.would = RECORD if capped or rule is None else min(strongest, rule.effect, key=VERDICTS.index)
        self.mode = rule.mode if rule else SHADOW
        held = rule is None or rule.mode != ENFORCE or rule.snoozed_until is not None
        self.verdict = RECORD if held else self.would
        self.told = rule.origin if rule else "no rule"
        if rule and rule.snoozed_until:
            self.told += ", snoozed until %s" % rule.snoozed_until


def _strongest(finding: "Finding", phase: "str", job_gpus: "Optional[FrozenSet[str]]") -> "str":
    """What a fresh fail may cause at most, whatever the policy says."""
    of_node = finding.gpu_uuid is None and finding.gpu is None
    of_job = job_gpus is not None and finding.gpu_uuid in job_gpus
    return BLOCK if phase == PROLOG and (of_node or of_job) else DRAIN


def _is_fresh(finding: "Finding", rule: "Optional[Rule]", covered_seq: "int", now_mono_us: "int") -> "bool":
    """Whether the evidence is of now. The kernel stamps its lines with a clock that strays from ours by seconds in
    weeks, so a time ahead of now is taken like one as far behind; one from before this boot is farther off.
    """
    mono_us: "Any" = finding.evidence.get("mono_us")
    seq: "Any" = finding.evidence.get("seq")
    if not _is_count(mono_us):
        return False
    age = abs(now_mono_us - mono_us)
    if not _is_count(seq):
        return bool(age <= READING_S * 1000000)
    fresh_s = rule.limits.get("fresh_s", FRESH_S) if rule else FRESH_S
    return bool(seq > covered_seq and age <= fresh_s * 1000000)


def _is_count(value: "Any") -> "bool":
    return isinstance(value, int) and not isinstance(value, bool)


def _order(one: "_Weighed") -> "Tuple[Any, ...]":
    """The root comes first, and is the same one in whichever order findings are given."""
    finding = one.finding
    return (
        -VERDICTS.index(one.verdict),
        -VERDICTS.index(one.would),
        _place(_OUTCOMES, finding.outcome),
        _place(_SEVERITIES, finding.severity),
        finding.code,
        -1 if finding.gpu is None else finding.gpu,
        finding.gpu_uuid or "",
        finding.check,
        finding.summary,
    )


def _place(words: "Tuple[str, ...]", word: "str") -> "int":
    return words.index(word) if word in words else len(words)


def _words(finding: "Finding", others: "int") -> "str":
    told = plain(finding.summary, _WORDS)
    return "%s, and %d more" % (told.rstrip("."), others) if others else told


def _brief(finding: "Finding") -> "Dict[str, Any]":
    return {key: getattr(finding, key) for key in ("check", "outcome", "code", "gpu", "gpu_uuid")}
