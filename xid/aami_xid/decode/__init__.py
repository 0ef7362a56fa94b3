"""What the driver's own text of one report means. One small module a family, pure: text in, fields out.

Every answer is either fields, or `undecoded` with the reason. `judged` names the fields that are our inference.
`text_of` is set where text and number contradict each other: then the text is decoded, and grouping follows it.
"""

import re

from aami_xid.kernel_record import pattern
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

    from aami_xid.event import Event

    Fields = Dict[str, Any]

FAMILIES = {
    "graphics": (13, 69),
    "mmu": (31, 44),
    "channel": (8, 32, 43, 45, 51, 109),
    "memory": (48, 92, 94, 95, 140, 171, 172),
    "repair": (63, 64, 156, 157, 160, 161, 177),
    "nvlink4": (74, 136, 137),
    "firmware": (59, 61, 62, 110, 119, 120, 121, 143, 175, 179, 182),
    "nvlink5": (144, 145, 146, 147, 148, 149, 150, 155),
    "recovery": (154,),
}
FAMILY = {code: name for name, codes in FAMILIES.items() for code in codes}
# Texts that only one code prints, whatever number stands before them.
SIGNATURES = [
    (13, r"Graphics (?:SM (?:Warp|Global) )?Exception"),
    (31, r"(?:Ch\S* \w+, intr \w+\. )?MMU Fault: ENGINE"),
    (63, r"Row Remapper: New row"),
    (64, r"Row Remapper Error"),
    (74, r"NVLink: fatal error detected"),
    (79, r"GPU has fallen off the bus"),
    (120, r"GSP (?:task|kernel) exception"),
    (154, r"GPU recovery action changed"),
]
CHANNEL_ONLY = r"Ch(?:annel)?(?: ID)? +(?:0x)?[0-9a-f]{1,16}\s*\.?$"
CHANNEL_FAMILIES = ("channel", "memory")  # a channel alone says something there
PLAIN = (79,)  # its text is all it says
SAME_TEXT = {(69, 13), (13, 69), (44, 31)}


def decode(event: "Event", driver: "Optional[str]" = None) -> "Fields":
    """The decoded fields of an event. Pure; `driver` is the version that ran when the line was written, if known."""
    text = event.fields.get("text", "")
    if event.kind == "sxid" and event.code is not None:
        from aami_xid.decode import nvswitch

        return nvswitch.decode(event.code, text)
    if event.kind != "xid" or event.code is None:
        return {}
    if "name_end" in event.fields:
        return {"undecoded": event.fields["name_end"]}
    code = written_for(event.code, text)
    fields = decode_text(code, text, driver, event.channel)
    if code != event.code:
        fields["text_of"] = code
        fields["note"] = "the text is that of Xid %d, the number says %d: the text is believed" % (
            code,
            event.code,
        )
    return fields


def written_for(code: "int", text: "str") -> "int":
    """The code this text belongs to."""
    for other, signature in SIGNATURES:
        if pattern(signature, re.IGNORECASE).match(text):
            return code if (code, other) in SAME_TEXT else other
    return code


def decode_text(
    code: "int", text: "str", driver: "Optional[str]" = None, channel: "Optional[str]" = None
) -> "Fields":
    """The fields of one Xid's text, without anything that stood before it."""
    name = FAMILY.get(code)
    if name is None:
        return {} if not text or channel or code in PLAIN else {"undecoded": _why_not(code)}
    if name not in CHANNEL_FAMILIES and pattern(CHANNEL_ONLY, re.IGNORECASE).match(text):
        return {}
    if not text:
        return {} if name == "channel" else {"undecoded": "the line ends after the code"}
    return _family(name)(code, text, driver)


def _why_not(code: "int") -> "str":
    known = str(code) in table("codes")["xid"]
    return "Xid %d has no decoder" % code if known else "Xid %d is in no published table" % code


def _family(name: "str") -> "Callable[[int, str, Optional[str]], Fields]":
    from importlib import import_module

    found = import_module("aami_xid.decode." + name)
    function: "Callable[[int, str, Optional[str]], Fields]" = found.decode
    return function


def hexed(text: "str") -> "str":
    """One spelling for hex numbers: `0x` and lower case, no blanks or underscores, printed zeros kept."""
    digits = text.lower().replace("_", "").replace(" ", "")
    return digits if digits.startswith("0x") else "0x" + digits
