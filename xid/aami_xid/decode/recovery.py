"""Xid 154: which recovery the driver asks for. The number counts; the words changed with driver 610."""

import re

from aami_xid.kernel_record import pattern
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

CHANGED = (
    r"GPU recovery action changed(?: from (?P<was>0x[0-9a-f]{1,8})(?: \((?P<was_text>[^()]{0,60})\))?)?"
    r" to (?P<now>0x[0-9a-f]{1,8})(?: \((?P<now_text>[^()]{0,60})\)?)?"
)


def decode(_code: "int", text: "str", _driver: "Optional[str]" = None) -> "Dict[str, Any]":
    match = pattern(CHANGED, re.IGNORECASE).match(text)
    if not match:
        return {"undecoded": "no recovery action in this line: read it from the driver (nvidia-smi -q, NVML)"}
    fields: "Dict[str, Any]" = {"to": int(match.group("now"), 16), "to_text": match.group("now_text")}
    if match.group("was"):
        fields.update({"from": int(match.group("was"), 16), "from_text": match.group("was_text")})
    known = table("readings")["recovery"].get(str(fields["to"]))
    if known is None:
        fields.update(
            undecoded="recovery action %d is in no published table" % fields["to"], action="investigate"
        )
        return fields
    fields["action"], fields["asks_for"] = known
    meant = table("readings")["recovery_names"].get((fields["to_text"] or "").strip().lower())
    if meant and fields["to"] not in meant:
        fields["note"] = "number and text contradict each other: the number is believed"
    return fields
