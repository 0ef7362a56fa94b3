"""What makes a `fail` less than one: it was seen once where two looks have to agree, or somebody resets the driver."""

from aami_slurm import checks, gather, known
from aami_slurm.finding import ERROR, FAIL, WARN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Tuple

    from aami_slurm.finding import Finding
    from aami_slurm.frame import Judged
    from aami_slurm.node import Node

# Checks that a reset, a MIG change or a diagnosis under way makes fail on a healthy GPU.
DISTURBED = ("driver-answers", "gpu-count", "gpu-identity", "nvlink-down", "pcie-gone", "recovery-action")
FIRST = " (first look)"


def settle(node: "Node", judged: "List[Judged]") -> "None":
    """Lower what does not count yet. Costs nothing where nothing fails."""
    fails = [(one.check, finding) for one in judged for finding in one.findings if finding.outcome == FAIL]
    _first_looks(node, [(check, finding) for check, finding in fails if _looks(check) > 1])
    _while_busy(node, [finding for check, finding in fails if check in DISTURBED and finding.outcome == FAIL])


def _looks(check: "str") -> "int":
    told: "Any" = checks.load(check).DEFAULTS.get("looks", 1) if check in checks.TABLE else 1
    return int(told)


def _first_looks(node: "Node", fails: "List[Tuple[str, Finding]]") -> "None":
    """What health has not seen before is a warning: links train, and mounts come, after a boot."""
    if not fails:
        return
    before = {
        (finding.check, finding.gpu_uuid, finding.code)
        for finding in known.load(node.places).findings
        if finding.outcome in (FAIL, WARN)
    }
    for check, finding in fails:
        if (check, finding.gpu_uuid, finding.code) not in before:
            _lower(finding, WARN, finding.summary + FIRST)


def _while_busy(node: "Node", fails: "List[Finding]") -> "None":
    words = gather.busy(node) if fails else None
    for finding in fails:
        if words:
            _lower(finding, ERROR, "not judged while %s: %s" % (words, finding.summary))


def _lower(finding: "Finding", outcome: "str", summary: "str") -> "None":
    finding.outcome, finding.severity, finding.summary = outcome, "warning", summary
