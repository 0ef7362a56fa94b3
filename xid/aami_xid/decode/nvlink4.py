"""Xid 74 and 136 (NVLink up to Hopper: link registers), and 137 (refused access over NVLink)."""

import re

from aami_xid.kernel_record import pattern
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

FATAL = r"NVLink: fatal error detected on link (?P<link>[0-9]{1,3})\s*(?:\((?P<words>0x[0-9a-f]+(?:,\s*0x[0-9a-f]+)*)\)?)?"
TRAINING = (
    r"NVLink: Link training failed for links? (?P<link>(?:0x)?[0-9a-f]{1,16})\s*"
    r"(?:\((?P<words>0x[0-9a-f]+(?:,?\s*0x[0-9a-f]+)*)\)?)?"
)
PRIVILEGE = r"(?P<unit>[A-Za-z0-9_]+(?: RX)?) interrupt hit on link (?P<link>[0-9]{1,3})(?: on GPU(?P<gpu_index>[0-9]{1,3}))?:?\s*(?P<error>.{0,80})"
REGISTERS = 7
PRIVILEGE_CODE = 137
BITS = 32
# What a set of readings adds up to: the first that is among them.
WEIGHT = [
    "fabric-reset",
    "hardware",
    "signal",
    "unexpected",
    "diag-repeated",
    "report-repeated",
    "ecc",
    "secondary",
    "threshold",
    "ignore",
]
ACTIONS = {
    "fabric-reset": "reset-fabric",
    "secondary": "investigate",
    "threshold": "none",
    "ignore": "none",
    "unexpected": "investigate",
}


def decode(code: "int", text: "str", _driver: "Optional[str]" = None) -> "Dict[str, Any]":
    if code == PRIVILEGE_CODE:
        return _privilege(text)
    match = pattern(FATAL, re.IGNORECASE).match(text)
    if match:
        fields: "Dict[str, Any]" = {"link": int(match.group("link"))}
        fields.update(_registers(re.findall("0x[0-9a-f]+", (match.group("words") or "").lower())))
        return fields
    match = pattern(TRAINING, re.IGNORECASE).match(text)
    if match:
        return _training(match)
    return {"undecoded": "no known form of an NVLink report (Xid %d)" % code}


def _privilege(text: "str") -> "Dict[str, Any]":
    match = pattern(PRIVILEGE, re.IGNORECASE).match(text)
    if not match:
        return {"undecoded": "no known form of an access error over NVLink"}
    fields = {
        "unit": match.group("unit"),
        "link": int(match.group("link")),
        "error": match.group("error").rstrip(" ."),
    }
    if match.group("gpu_index"):
        fields["gpu_index"] = int(match.group("gpu_index"))
    return fields


def _training(match: "Any") -> "Dict[str, Any]":
    """Hopper names one link, newer chips a mask of links."""
    link = match.group("link").lower()
    words = re.findall("0x[0-9a-f]+", (match.group("words") or "").lower())
    if not link.startswith("0x"):
        return {"link": int(link, 10) if link.isdigit() else None, "registers": words}
    mask = int(link, 16)
    return {"links": [number for number in range(64) if mask >> number & 1], "registers": words}


def _registers(words: "List[str]") -> "Dict[str, Any]":
    if len(words) != REGISTERS:
        return {"registers": words, "undecoded": "the line carries %d of the 7 link registers" % len(words)}
    found, odd = _bits([int(word, 16) for word in words])
    fields: "Dict[str, Any]" = {
        "registers": words,
        "bits": found,
        "judged": ["action"],
        "generation": "Hopper",
    }
    if odd:
        fields["unknown_bits"] = odd
        fields["undecoded"] = "bits of no published meaning are set: report them to NVIDIA"
    kinds = {bit["kind"] for bit in found}
    fields["reading"] = next(
        (bit["meaning"] for kind in WEIGHT for bit in found if bit["kind"] == kind), None
    )
    first = next((kind for kind in WEIGHT if kind in kinds), None)
    if first in ACTIONS and not odd:
        fields["action"] = ACTIONS[first]
    return fields


def _bits(values: "List[int]") -> "Tuple[List[Dict[str, Any]], List[str]]":
    """The set bits with a meaning, and the names of those without; registers 2, 6 and 7 have no table at all."""
    rules = table("readings")["nvlink4"]
    found, odd = [], []
    for number, value in enumerate(values, 1):
        for bit in (bit for bit in range(BITS) if value >> bit & 1):
            row = next((row for row in rules.get(str(number), []) if bit in row[0]), None)
            if row is None:
                odd.append("R%d bit %d" % (number, bit))
            else:
                found.append({"register": number, "bit": bit, "kind": row[1], "meaning": row[2]})
    return found, odd
