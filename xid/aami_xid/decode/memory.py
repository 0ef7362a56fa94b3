"""Xid 48, 92, 94, 95, 140, 171, 172: where memory failed, who is hit, and what the driver marked the GPU for."""

import re

from aami_xid.decode import CHANNEL_ONLY, hexed
from aami_xid.kernel_record import pattern
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

DOUBLE_BIT = r"(?:An uncorrectable double bit error|Double Bit ECC Error)(?P<more>.*)"
CONTAINED = (
    r"(?P<how>Contained|Uncontained): (?P<unit>[A-Za-z0-9 /_-]{1,40}?) ?(?:\((?P<ids>0x[0-9a-f]+(?:, ?0x[0-9a-f]+)*)\))?\.?"
    r"(?:\s+physAddr:? (?P<address>0x[0-9a-f_]+))?\.?(?:\s+RST: (?P<rst>Yes|No))?(?:,?\s+D-RST: (?P<drst>Yes|No))?\s*\.?$"
)
CONTAINED_WORDS = r"(?P<how>Contained|Uncontained) (?:(?P<memory>SRAM|DRAM) )?ECC error"
DETAIL = r"(?:(?P<unit>[A-Z][A-Z0-9 /_-]{1,40}), )?Uncorrectable (?P<memory>DRAM|SRAM) error(?P<more>.*)"
STORM = r"(?:Disabling ECC single-bit error interrupts in framebuffer at logical partition (?P<partition>[0-9]{1,4})|(?P<sm>SM SBE interrupt storm))"
RESIDUE = r"An uncorrectable ECC error detected(?P<firmware> \(possible firmware handling failure\))?(?P<counts>(?:,? (?:DRAM|LTC|MMU|PCIE):-?[0-9]{1,10})+)"
PLACES = [
    ("partition", r"\bpartition ([0-9]{1,4})"),
    ("subpartition", r"\bsubpartition ([0-9]{1,4})"),
    ("fbpa", r"\bFBPA ([0-9]{1,4})"),
    ("gpc", r"\bGPC ?([0-9]{1,4})"),
    ("tpc", r"\bTPC ?([0-9]{1,4})"),
    ("sm", r"\bSM ?([0-9]{1,4})"),
]
ADDRESS = r".*?\bphysAddr:? (0x[0-9a-f]{1,16}(?:_[0-9a-f]{1,8}){0,4})"
UNKNOWN_COUNT = -(2**31)
DRAM_CODES = {171: "DRAM", 172: "SRAM"}


def decode(code: "int", text: "str", _driver: "Optional[str]" = None) -> "Dict[str, Any]":
    if pattern(CHANNEL_ONLY, re.IGNORECASE).match(text):
        return {"per_process": True}  # the second line of one error: this process was killed for it
    forms = (
        (CONTAINED, _contained), (DOUBLE_BIT, _double_bit), (DETAIL, _detail), (RESIDUE, _residue), (STORM, _storm),
        (CONTAINED_WORDS, _words),
    )  # fmt: skip
    for form, read in forms:
        match = pattern(form, re.IGNORECASE).match(text)
        if match:
            fields = read(match)
            if fields.get("memory", "") is None:
                fields["memory"] = DRAM_CODES.get(code)
            return fields
    if re.match("GSP-RISCV,? uncorrectable", text, re.IGNORECASE):
        return {"memory": "SRAM", "unit": "GSP-RISCV"}
    if re.match("Poison error in GSP", text, re.IGNORECASE):
        return {"poison": True, "unit": "GSP"}
    return {"undecoded": "no known form of a memory error (Xid %d)" % code}


def _places(text: "str") -> "Dict[str, Any]":
    found: "Dict[str, Any]" = {}
    for name, form in PLACES:
        match = pattern(form, re.IGNORECASE).search(text)
        if match:
            found[name] = int(match.group(1))
    address = pattern(ADDRESS, re.IGNORECASE).match(text)
    if address:
        found["address"] = "0x%x" % int(address.group(1).replace("_", ""), 16)
    return found


def _double_bit(match: "Any") -> "Dict[str, Any]":
    return dict(_places(match.group("more")), memory="DRAM" if "framebuffer" in match.group("more") else None)


def _detail(match: "Any") -> "Dict[str, Any]":
    found = dict(_places(match.group("more")), memory=match.group("memory").upper())
    return dict(found, unit=match.group("unit")) if match.group("unit") else found


def _words(match: "Any") -> "Dict[str, Any]":
    found: "Dict[str, Any]" = {"contained": match.group("how").lower() == "contained"}
    return dict(found, memory=match.group("memory").upper()) if match.group("memory") else found


def _storm(match: "Any") -> "Dict[str, Any]":
    return (
        {"unit": "SM"}
        if match.group("sm")
        else {"memory": "DRAM", "partition": int(match.group("partition"))}
    )


def _residue(match: "Any") -> "Dict[str, Any]":
    """The counters; the driver prints the smallest 32-bit number where it has none."""
    counts: "Dict[str, Optional[int]]" = {}
    for pair in match.group("counts").replace(",", " ").split():
        name, _, number = pair.partition(":")
        counts[name.lower()] = None if int(number) == UNKNOWN_COUNT else int(number)
    return {"counts": counts, "firmware_handling": bool(match.group("firmware"))}


def _contained(match: "Any") -> "Dict[str, Any]":
    unit = match.group("unit").strip()
    known = table("readings")["containment"].get(unit.upper())
    fields: "Dict[str, Any]" = {"contained": match.group("how").lower() == "contained", "unit": unit}
    if match.group("ids"):
        fields["unit_ids"] = [hexed(part.strip()) for part in match.group("ids").split(",")]
    if match.group("address"):
        fields["address"] = hexed(match.group("address"))
    if known:
        fields["at"] = known["at"]
    else:
        fields["undecoded"] = "the unit %r is in no published table" % unit
    fields.update(_flags(match.group("rst"), match.group("drst")))
    return fields


def _flags(reset: "Optional[str]", drain: "Optional[str]") -> "Dict[str, Any]":
    """RST and D-RST say what the driver marked the GPU for: they win over the code."""
    if reset is None and drain is None:
        return {"note": "the line was cut before RST and D-RST: the code alone decides"}
    yes = {
        "reset_required": (reset or "").lower() == "yes",
        "drain_and_reset": (drain or "").lower() == "yes",
    }
    action = (
        "reset-gpu" if yes["reset_required"] else "drain-and-reset" if yes["drain_and_reset"] else "tell-user"
    )
    return dict(yes, action=action)
