"""Xid 13 and 69: which part of the GPU, what it objected to, and the error registers."""

import re

from aami_xid.decode import hexed
from aami_xid.kernel_record import pattern
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

SM = r"Graphics SM (?P<shape>Warp|Global) Exception on \((?P<place>[^)]{1,80})\):\s*(?P<reason>.{0,160})"
PART = r"\s*(GPC|CPC|TPC|SM) ([0-9]{1,4})\s*(?:,|$)"
ESR = r"Graphics Exception: ESR((?: 0x[0-9a-f]{1,16}=0x[0-9a-f]{1,16})+)"
METHOD = (
    r"(?:Graphics Exception: |(?P<illegal>Illegal )?Class Error: )?(?:ChID|channel) (?:0x)?(?P<channel>[0-9a-f]{1,8}), Class (?P<klass>[0-9a-f]{1,8}), "
    r"Offset (?P<offset>[0-9a-f]{1,8}), Data (?P<data>[0-9a-f]{1,8})(?:, ErrorCode (?P<error_code>[0-9a-f]{1,8}))?"
)
OTHER = r"Graphics Exception:?(?: on)? (?P<reason>.{1,160})"
WORDS = r"[0-9a-f]{4,8}(?:\([0-9a-f]{1,8}\))?(?: [0-9a-f]{4,8}){1,16}\s*$"


def decode(_code: "int", text: "str", _driver: "Optional[str]" = None) -> "Dict[str, Any]":
    for form, read in (
        (SM, _location),
        (ESR, _registers),
        (METHOD, _method),
        (OTHER, _other),
        (WORDS, _words),
    ):
        match = pattern(form, re.IGNORECASE).match(text)
        if match:
            return read(match)
    return {"undecoded": "no known form of a graphics exception"}


def _location(match: "Any") -> "Dict[str, Any]":
    fields: "Dict[str, Any]" = {"shape": match.group("shape").lower()}
    for name, number in pattern(PART, re.IGNORECASE).findall(match.group("place")):
        fields[name.lower()] = int(number)
    fields["reason"] = match.group("reason").rstrip(" .")
    return fields


def _registers(match: "Any") -> "Dict[str, Any]":
    pairs = [pair.split("=") for pair in match.group(1).split()]
    fields = {"shape": "esr", "registers": [{"address": at, "value": value} for at, value in pairs]}
    reason = table("readings")["esr_low_byte"].get(str(int(pairs[0][1], 16) & 0xFF))
    if reason:
        fields.update(reason=reason, judged=["reason"])
    return fields


def _method(match: "Any") -> "Dict[str, Any]":
    fields: "Dict[str, Any]" = {
        "shape": "class-error",
        "channel": "0x%08x" % int(match.group("channel"), 16),
        "class": hexed(match.group("klass")),
    }
    fields.update(offset=hexed(match.group("offset")), data=hexed(match.group("data")))
    if match.group("error_code"):
        fields["error_code"] = hexed(match.group("error_code"))
    kind = table("readings")["object_class"].get(match.group("klass").lower()[-2:])
    if kind and match.group("klass").strip("0"):
        fields.update(class_kind=kind, judged=["class_kind"])
    return fields


def _other(match: "Any") -> "Dict[str, Any]":
    return {"shape": "exception", "reason": match.group("reason").rstrip(" .")}


def _words(match: "Any") -> "Dict[str, Any]":
    words = match.group(0).split()
    return {
        "shape": "words",
        "words": words,
        "undecoded": "raw words of an old driver: keep them for the vendor",
    }
