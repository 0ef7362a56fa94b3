"""Xid 144-150 and 155 (NVLink5): which unit, which end of the link, and what each set error bit asks for.

The first word, IntrInfo, has two layouts: before driver 575 (v1) and from it on (v2). With a known driver version one
layout is read. Without, both are tried: one fit is enough, two fits that differ are given side by side as ambiguous.
"""

import re

from aami_xid.kernel_record import pattern
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

LINE = (
    r"(?P<unit>[A-Za-z][A-Za-z0-9_/]{1,40}(?: (?!Non-?fatal\b|Fatal\b)[A-Za-z0-9_]{1,20})?)\s+(?P<fatal>Non-?fatal|Fatal)\b\s*"
    r"(?:XC ?(?P<xc>[0-9]{1,2})\s+i ?(?P<injected>[0-9]{1,2})\s+)?(?:Link (?P<link>-?[0-9]{1,3}))?\s*:?\s*"
    r"(?:[(\[](?P<words>0x[0-9a-f]{1,8}(?:[ ,]+0x[0-9a-f]{1,8})*)[)\]]?)?(?P<more>.*)"
)
SUBCODE = {"v1": 0x3FF, "v2": 0x7F}
FATAL_BIT = {"v1": 10, "v2": 7}
REASON_SHIFT, REASON_MASK = 20, 0x3F
LINK_SHIFT, LINK_MASK, NO_LINK = 13, 0x1F, 31
FIRST_V2_DRIVER = 575
ORDER = ["RESET_GPU", "XID_154_EVAL", "IGNORE"]
SOFTWARE_DEFINED = 155


def decode(code: "int", text: "str", driver: "Optional[str]" = None) -> "Dict[str, Any]":
    match = pattern(LINE, re.IGNORECASE).match(text)
    if not match:
        return {"undecoded": "no known form of an NVLink5 report (Xid %d)" % code}
    fields = _line(match)
    if code == SOFTWARE_DEFINED:
        return dict(fields, what=match.group("more").strip(" ."), end="software", judged=["end"])
    words = [int(word, 16) for word in fields["words"]]
    if len(words) < 2:  # noqa: PLR2004 - IntrInfo and ErrorStatus
        return dict(fields, undecoded="the line carries no IntrInfo and ErrorStatus words")
    fits = _fits(code, fields["unit"], words[0], words[1], driver)
    fields["layout_from"] = "driver" if len(layouts(driver)) == 1 else "fit"
    if not fits:
        tried = " or ".join(layouts(driver))
        return dict(
            fields,
            undecoded="IntrInfo 0x%08x matches no published unit of this code (layout %s)"
            % (words[0], tried),
        )
    return _with_readings(fields, fits, words[0])


def _line(match: "Any") -> "Dict[str, Any]":
    link = match.group("link")
    return {
        "unit": re.sub(r"\s+", "_", match.group("unit").strip()),
        "fatal": match.group("fatal").lower() == "fatal",
        "cross_contained": None if match.group("xc") is None else int(match.group("xc")) != 0,
        "injected": None if match.group("injected") is None else int(match.group("injected")) != 0,
        "link": None if link is None or int(link) < 0 else int(link),
        "words": re.findall("0x[0-9a-f]+", (match.group("words") or "").lower()),
    }


def layouts(driver: "Optional[str]") -> "List[str]":
    major = (driver or "").split(".")[0]
    if not major.isdigit():
        return ["v1", "v2"]
    return ["v2"] if int(major) >= FIRST_V2_DRIVER else ["v1"]


def _fits(
    code: "int", unit: "str", info: "int", status: "int", driver: "Optional[str]"
) -> "List[Dict[str, Any]]":
    """One reading for each layout whose pattern some unit of this code has; the printed name decides between twins."""
    fits = []
    for layout in layouts(driver):
        units = [row for row in table("nvlink5")["units"] if _matches(row, code, layout, info)]
        named = [row for row in units if _named(row, unit)]
        for row in (named or units)[:1]:
            reading = _reading(row, layout, info, status)
            if not named:
                reading["note"] = "the word says %s, the line says %s" % ("/".join(row["unit"]), unit)
            fits.append(reading)
    agreeing = [fit for fit in fits if "note" not in fit]
    return agreeing or fits


def _matches(row: "Dict[str, Any]", code: "int", layout: "str", info: "int") -> "bool":
    if row["xid"] != code or info & SUBCODE[layout] != int(row[layout], 16):
        return False
    return row["match"] == "reason" or _reason(info) == 0


def _named(row: "Dict[str, Any]", unit: "str") -> "bool":
    ours = unit.upper().split("/")
    return any(name in row["unit"] for name in ours) or row["unit"][0].startswith(ours[0] + "_")


def _reason(info: "int") -> "int":
    return info >> REASON_SHIFT & REASON_MASK


def _reading(row: "Dict[str, Any]", layout: "str", info: "int", status: "int") -> "Dict[str, Any]":
    fatal = bool(info >> FATAL_BIT[layout] & 1)
    keys, unmatched = _keys(row, info, status)
    outcomes = [_outcome(row["rows"][key], key, fatal) for key in keys]
    reading: "Dict[str, Any]" = {"layout": layout, "unit": row["unit"][0], "outcomes": outcomes}
    if row["match"] == "reason":
        reading["reason"] = _reason(info)
    if unmatched:
        reading["unmatched"] = unmatched
    return reading


def _keys(row: "Dict[str, Any]", info: "int", status: "int") -> "Tuple[List[str], List[str]]":
    """The rows that apply, and what no row speaks of: single bits, a value, or a link-down reason."""
    rows = row["rows"]
    if row["match"] == "bit":
        wanted = ["0x%x" % (1 << bit) for bit in range(32) if status >> bit & 1] or ["0x0"]
    elif row["match"] == "reason":
        wanted = [str(_reason(info))]
    else:
        wanted = ["0x%x" % status]
    return [key for key in wanted if key in rows], [key for key in wanted if key not in rows]


def _outcome(row: "Dict[str, Any]", key: "str", fatal: "bool") -> "Dict[str, Any]":  # noqa: FBT001 - a fact, no option
    do = row["when_fatal"] if fatal and "when_fatal" in row else row["do"]
    found = {
        "for": key,
        "nvidia": do,
        "then": table("readings")["nvlink5_then"].get(row["then"]),
        "side": row["side"],
    }
    found.update(
        severity="fatal" if do != row["do"] else row["severity"], local=row["local"], remote=row["remote"]
    )
    if "note" in row:
        found["note"] = row["note"]
    return found


def _with_readings(fields: "Dict[str, Any]", fits: "List[Dict[str, Any]]", info: "int") -> "Dict[str, Any]":
    worst = [_worst(fit) for fit in fits]
    if len(fits) > 1 and len(set(worst)) > 1:
        return dict(
            fields, ambiguous=True, readings=fits, undecoded="the driver version decides between two readings"
        )
    printed = fields["unit"]
    fields = dict(fields, **fits[0])
    if "note" not in fits[0]:
        fields["unit"] = printed
    if len(fits) > 1:
        fields["layout"] = "v1 or v2: both say the same"
    elif fields["layout"] == "v1":
        link = info >> LINK_SHIFT & LINK_MASK
        fields["word_link"] = None if link == NO_LINK else link
    if fits[0].get("unmatched"):
        fields["undecoded"] = "no published meaning of %s" % ", ".join(fits[0]["unmatched"])
    fields.update(_consequence(fits[0], worst[0]))
    return fields


def _worst(fit: "Dict[str, Any]") -> "Optional[str]":
    asked = {outcome["nvidia"] for outcome in fit["outcomes"]}
    return next((name for name in ORDER if name in asked), None)


def _consequence(fit: "Dict[str, Any]", worst: "Optional[str]") -> "Dict[str, Any]":
    found: "Dict[str, Any]" = {}
    readings = table("readings")
    if worst is not None and not fit.get("unmatched"):
        found["action"] = readings["nvlink5_do"][worst]
    reason = fit.get("reason")
    if reason is not None and str(reason) in readings["link_down"]:
        found["end"], found["reading"] = readings["link_down"][str(reason)]
        found["judged"] = ["end"]
    return found
