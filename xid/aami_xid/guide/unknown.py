"""An entry for a code that the catalogue does not have: what to do with it, and which codes stand beside it."""

from aami_xid.guide.words import NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List

SXID_FROM = 10000  # the numbers of NVSwitches begin here, those of GPUs end far below


def entry(kind: "str", code: "int", known: "Iterable[int]") -> "Dict[str, Any]":
    """The same keys as an entry of the catalogue; `related` holds the neighbours."""
    numbers = sorted(known)
    return {
        "kind": kind,
        "code": code,
        "mnemonic": None,
        "title": "not in the catalogue",
        "status": "unknown",
        "severity": "warning",
        "affects": [],
        "action": "investigate",
        "unit": None,
        "scope": "unknown",
        "meaning": _meaning(kind, code, numbers),
        "causes": [],
        "actions": {"now": _advice(kind), "if_repeats": {}},
        "evidence": ["The whole kernel log of that minute, and nvidia-bug-report.sh"],
        "tell_user": None,
        "nvidia": {"immediate": None, "investigatory": None},
        "generations": {},
        "driver": {},
        "related": [
            {"code": number, "order": "neighbour", "why": "the nearest number that is known"}
            for number in neighbours(code, numbers)
        ],
        "words": [],
        "sources": [],
        "judged": ["severity", "action", "actions.now"],
    }


def neighbours(code: "int", known: "List[int]") -> "List[int]":
    """The nearest known numbers below and above."""
    below = [number for number in known if number < code][-1:]
    above = [number for number in known if number > code][:1]
    return below + above


def _meaning(kind: "str", code: "int", known: "List[int]") -> "str":
    words = "%s %d is in no catalogue that we know." % (NAMES[kind], code)
    if kind == "xid" and code >= SXID_FROM:
        return words + " Numbers of this size are those of NVSwitches: ask for the SXid."
    if kind == "sxid" and code < SXID_FROM:
        return words + " Numbers of this size are those of GPUs: ask for the Xid."
    if known and code > known[-1]:
        return words + " It is higher than any of them: perhaps a driver newer than this catalogue."
    return words + " The number alone says neither what broke nor how bad it is."


def _advice(kind: "str") -> "List[str]":
    if kind == "sxid":
        return [
            "Read the severity word in the line (Fatal, Non-fatal): it says what the driver did about it",
            "Look at the GPUs of the node in the same minute: 74 and 45 there mean that work was lost",
            "Keep the whole log of that minute and ask NVIDIA, with the version of the driver and of fabric manager",
        ]
    return [
        "Look for line 154 of the same GPU, or `GPU Recovery Action` in nvidia-smi -q: where the driver names an action, do it",
        "Look at the other lines of the same GPU in the same minute: a code that is known may be the root",
        "Do not take a node out of service for the number alone; do so when the GPU no longer answers nvidia-smi",
        "Look the number up in the catalogue of your driver's release, and ask NVIDIA with nvidia-bug-report.sh",
    ]
