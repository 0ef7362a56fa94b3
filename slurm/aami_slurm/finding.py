"""What a check found: the judged state of one GPU or of the node, as data. Rendered and decided upon elsewhere."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

PASS, WARN, FAIL = "pass", "warn", "fail"
CONFIG = "config"  # set up wrongly: never drains
ERROR = "error"  # the tool could not tell: never drains
OUTCOMES = (PASS, WARN, FAIL, CONFIG, ERROR)
SEVERITIES = ("info", "warning", "error", "fatal")
_USUAL = {PASS: "info", WARN: "warning", FAIL: "error", CONFIG: "warning", ERROR: "warning"}
KEYS = ("check", "outcome", "severity", "code", "summary", "gpu_uuid", "gpu", "evidence", "action")


class Finding:
    """`code` stands in a drain reason: short, lower case, `xid79`. `gpu` is the index people know, `gpu_uuid` the truth;
    both None when it is about the whole node. `evidence` is what it rests on: a dict with `source` (kmsg, nvml, sysfs,
    nvidia-smi, proc, site, register), `raw` (the line, value or record), `time` (RFC 3339 or None), `mono_us` (or None)
    and, for a journalled line, its `seq`. `action` is a word of aami_xid's actions or None. `check` is filled in by
    the frame that runs the check.
    """

    __slots__ = KEYS

    def __init__(
        self,
        outcome: "str",
        summary: "str",
        *,
        code: "str" = "",
        severity: "Optional[str]" = None,
        gpu_uuid: "Optional[str]" = None,
        gpu: "Optional[int]" = None,
        evidence: "Optional[Dict[str, Any]]" = None,
        action: "Optional[str]" = None,
        check: "str" = "",
    ) -> "None":
        if outcome not in OUTCOMES:
            raise ValueError("no such outcome: %r" % (outcome,))
        self.check = check
        self.outcome = outcome
        self.severity = severity or _USUAL[outcome]
        self.code = code
        self.summary = summary
        self.gpu_uuid = gpu_uuid
        self.gpu = gpu
        self.evidence: "Dict[str, Any]" = evidence or {}
        self.action = action

    def to_dict(self) -> "Dict[str, Any]":
        return {key: getattr(self, key) for key in KEYS}

    def __repr__(self) -> "str":
        return "<Finding %s %s %s %s>" % (self.check, self.outcome, self.gpu_uuid or "node", self.summary)


def subject(gpu_uuid: "Optional[str]", code: "str") -> "str":
    """What evidence is about: a fault that had its consequence covers later looks at the same, and nothing else."""
    return "%s %s" % (gpu_uuid or "node", code)


def from_dict(told: "Dict[str, Any]") -> "Finding":
    """A finding that was written down, such as the last health run's."""
    return Finding(
        told["outcome"],
        told["summary"],
        code=told["code"],
        severity=told["severity"],
        gpu_uuid=told["gpu_uuid"],
        gpu=told["gpu"],
        evidence=told["evidence"],
        action=told["action"],
        check=told["check"],
    )
