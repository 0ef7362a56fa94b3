"""One entry for machines: the keys of `explain --json`, the same for every code, known or not."""

from aami_xid.guide.words import REPEATS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict


def answer(entry: "Dict[str, Any]") -> "Dict[str, Any]":
    """`causes`, `related` and `if_repeats` are lists of objects: text and likelihood, code, order and why, when and do."""
    repeats = entry["actions"]["if_repeats"]
    return {
        "kind": entry["kind"],
        "code": entry["code"],
        "mnemonic": entry["mnemonic"],
        "title": entry["title"],
        "status": entry["status"],
        "severity": entry["severity"],
        "affects": entry["affects"],
        "meaning": entry["meaning"],
        "causes": entry["causes"],
        "actions": {
            "now": entry["actions"]["now"],
            "if_repeats": [{"when": REPEATS.get(when, when), "do": text} for when, text in repeats.items()],
        },
        "tell_user": entry["tell_user"],
        "nvidia": entry["nvidia"],
        "generations": entry["generations"],
        "related": entry["related"],
        "sources": entry["sources"],
        "judged": entry["judged"],
    }
