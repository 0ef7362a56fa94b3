"""Xid 31, and 44 (the same during a context switch): which engine and client touched which address, and why the MMU refused."""

import re

from aami_xid.decode import hexed
from aami_xid.kernel_record import pattern
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

HEAD = r"(?:Ch(?:annel)?(?: ID)? +(?:0x)?[0-9a-f]{1,16}[,.]?\s*)?(?:engmask (?P<mask>[0-9a-f]{1,8}),?\s*)?(?:intr (?P<intr>(?:0x)?[0-9a-f]{1,8})\.?\s*)?"
FAULT = (
    r"MMU Fault: ENGINE (?P<engine>[A-Z0-9_]{1,40})(?: (?P<gpc>GPC[0-9]{1,3}))?(?: (?P<client>(?!faulted\b)[A-Z0-9_]{1,60}))?"
    r"(?: faulted @ (?P<address>0x[0-9a-f]{1,16}(?:_[0-9a-f]{1,16})?)\.?)?"
    r"(?:\s*(?:Fault is of type )?(?P<type>FAULT_[A-Z_]{2,60})(?:\s+ACCESS_TYPE_(?P<access>[A-Z_]{2,40}))?)?"
)
NULL_PAGE = 0x10000  # nothing is ever mapped this low


def decode(_code: "int", text: "str", _driver: "Optional[str]" = None) -> "Dict[str, Any]":
    match = pattern("(?:%s)(?:%s)?" % (HEAD, FAULT), re.IGNORECASE).match(text)
    if match is None or not match.group("engine"):
        fields: "Dict[str, Any]" = {"undecoded": "no MMU fault details in this line"}
        if match and match.group("intr"):
            fields["intr"] = hexed(match.group("intr"))
        return fields
    fields = {"engine": match.group("engine").upper()}
    if match.group("address"):
        fields["address"] = _address(match.group("address"))
    if match.group("gpc"):
        fields["gpc"] = int(match.group("gpc")[3:])
    for name in ("client", "access"):
        if match.group(name):
            fields[name] = match.group(name).upper()
    if match.group("intr"):
        fields["intr"] = hexed(match.group("intr"))
    if match.group("type"):
        fields["fault"] = match.group("type").upper()
    fields.update(_reading(fields))
    return fields


def _address(text: "str") -> "str":
    """`0x6f6f_320c2000` is a high and a low half of 32 bits."""
    high, _, low = text.lower().partition("_")
    return "0x%x" % ((int(high, 16) << 32) + int(low, 16)) if low else "0x%x" % int(high, 16)


def _reading(fields: "Dict[str, Any]") -> "Dict[str, Any]":
    readings = table("readings")
    found: "Dict[str, Any]" = {"judged": ["reading", "at"]}
    client = fields.get("client", "")
    found["at"] = next((text for start, text in readings["mmu_client"] if client.startswith(start)), None)
    fault = fields.get("fault")
    reading = readings["mmu_fault"].get(fault)
    if reading is None:
        found["undecoded"] = (
            "no reading for fault type %s" % fault if fault else "the line names no fault type"
        )
    elif fields.get("access", "").endswith("PREFETCH"):
        reading += "; by a prefetch, not by a load or store of the program"
    elif "address" in fields and int(fields["address"], 16) < NULL_PAGE:
        reading += "; the address is next to zero: a null pointer"
    found["reading"] = reading
    found["poison"] = fault == "FAULT_INFO_TYPE_POISONED"
    return found
