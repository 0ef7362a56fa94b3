"""Xid 8, 32, 43, 45, 51, 109: reports about one channel or group of channels. Who removed it, and why, as far as the line tells."""

import re

from aami_xid.decode import hexed
from aami_xid.kernel_record import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

HEAD = r"(?:Ch(?:annel)?(?: ?ID)? +(?:0x)?[0-9a-f]{1,16}\b[,.]?\s*)?"
INTERRUPT = (
    HEAD
    + r"intr(?P<number>[0-9])? +(?:0x)?(?P<value>[0-9a-f]{1,8})(?:,? intr(?P<number2>[0-9]) +(?:0x)?(?P<value2>[0-9a-f]{1,8}))?"
)
SWITCH = HEAD + r"errorString (?P<error>[A-Z][A-Z _]{1,60}?)(?:, Info (?P<info>0x[0-9a-f]{1,16}))?\s*$"
BAD_GROUP = (
    r"BAD_TSG encountered on runlist: ?(?P<runlist>[0-9]{1,6})(?: with error code: ?(?P<error>[0-9]{1,6}))?"
)
PUSHBUFFER, CLEANUP, GROUP, CONTEXT_SWITCH = 32, 45, 51, 109


def decode(code: "int", text: "str", _driver: "Optional[str]" = None) -> "Dict[str, Any]":
    if code == PUSHBUFFER:
        return _interrupt(text)
    if code == CONTEXT_SWITCH:
        return _switch(text)
    if code == GROUP:
        return _bad_group(text)
    if pattern(HEAD + r"(?:caused by previous Xid [0-9]{1,9}\.?\s*)?$", re.IGNORECASE).match(text):
        return {"cleanup": True} if code == CLEANUP else {}
    return {"undecoded": "no known form of a channel report"}


def _interrupt(text: "str") -> "Dict[str, Any]":
    match = pattern(INTERRUPT, re.IGNORECASE).match(text)
    if not match:
        return {"undecoded": "no interrupt word in this line"}
    words = {"intr" + (match.group("number") or ""): hexed(match.group("value"))}
    if match.group("value2"):
        words["intr" + match.group("number2")] = hexed(match.group("value2"))
    return {"interrupts": words, "undecoded": "the bits of the interrupt word are not documented"}


def _bad_group(text: "str") -> "Dict[str, Any]":
    """Driver 610 gave the number 51, unused until then, a new meaning."""
    match = pattern(BAD_GROUP, re.IGNORECASE).match(text)
    if not match:
        return {"undecoded": "no known form of a report about a channel group"}
    fields: "Dict[str, Any]" = {"runlist": int(match.group("runlist"))}
    if match.group("error"):
        fields["error_code"] = int(match.group("error"))
    return fields


def _switch(text: "str") -> "Dict[str, Any]":
    match = pattern(SWITCH, re.IGNORECASE).match(text)
    if not match:
        return {"undecoded": "no error string in this line"}
    fields = {"error": match.group("error").strip()}
    if match.group("info"):
        fields["info"] = hexed(match.group("info"))
    return fields
