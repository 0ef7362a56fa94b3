"""Xid 63, 64, 156, 157, 160, 161, 177: parts taken out of use, and what makes it take effect."""

import re

from aami_xid.kernel_record import pattern
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

ADDRESS = r".*?(0x[0-9a-f]{4,16})"
RECORDED = r"(?P<part>Row|Bank) Remapper: New (?:row|bank) .*?marked for remapping"
PENDING = r"Row Remapper:? .*?already pending"
FAILED = r"(?:Row Remapper(?: Error)?:? |DRAM Retirement failed due to )(?P<why>.*)"
OLD_PAGE = r"Dynamic Page Retirement: (?P<what>.*)"
MARKING = r"Marking (?P<part>Channel|LTS) (?P<number>-?[0-9]{1,4}) in (?P<in>FBPA|FBP|FPB) (?P<in_number>-?[0-9]{1,4})(?P<more>.*)"
REPAIR_FAILED = r"Repairing (?P<part>Channel|LTS) failed"
RETIRING = r"Retiring TPC (?P<tpc>[0-9]{1,4}) from GPC (?P<gpc>[0-9]{1,4}) with (?:a spare from the (?P<same>same)|a TPC from a different) GPC"
NOT_RETIRED = r"Unable to retire TPC (?P<tpc>[0-9]{1,4}) from GPC (?P<gpc>[0-9]{1,4})(?P<mig> in MIG mode)?"


def decode(code: "int", text: "str", _driver: "Optional[str]" = None) -> "Dict[str, Any]":
    forms = (
        (RECORDED, _recorded), (PENDING, _failed), (MARKING, _marking), (REPAIR_FAILED, _repair_failed),
        (RETIRING, _retiring), (NOT_RETIRED, _not_retired), (OLD_PAGE, _old_page), (FAILED, _failed),
    )  # fmt: skip
    for form, read in forms:
        match = pattern(form, re.IGNORECASE).match(text)
        if match:
            fields = read(match)
            address = pattern(ADDRESS, re.IGNORECASE).match(text)
            if address:
                fields["address"] = "0x%x" % int(address.group(1), 16)
            return fields
    return {"undecoded": "no known form of a repair report (Xid %d)" % code}


def _recorded(match: "Any") -> "Dict[str, Any]":
    return {"repair": match.group("part").lower(), "recorded": True, "active_after": "gpu-reset"}


def _failed(match: "Any") -> "Dict[str, Any]":
    why = match.groupdict().get("why") or match.group(0)
    for words, name, reading, action in table("readings")["remap_failure"]:
        if words in why.lower():
            return {"repair": "row", "recorded": False, "why": name, "reading": reading, "action": action}
    return {"undecoded": "no known reason of a failed repair"}


def _old_page(match: "Any") -> "Dict[str, Any]":
    """GPUs before Ampere retire pages instead of remapping rows."""
    what = match.group("what").lower()
    if "unable" in what or "fail" in what:
        return {"repair": "page", "recorded": False, "action": "service"}
    return {
        "repair": "page",
        "recorded": True,
        "active_after": "node-reboot" if "reboot" in what else "gpu-reset",
    }


def _marking(match: "Any") -> "Dict[str, Any]":
    fields = {"repair": match.group("part").lower(), "recorded": True, "number": int(match.group("number"))}
    fields[match.group("in").lower()] = int(match.group("in_number"))
    more = match.group("more").lower()
    if "reboot" in more:
        fields.update(active_after="node-reboot", action="reboot-node")
    elif "gpu reset" in more:
        fields.update(active_after="gpu-reset", action="reset-when-idle")
    else:
        fields["undecoded"] = "the line does not say what activates the repair"
    return fields


def _repair_failed(match: "Any") -> "Dict[str, Any]":
    return {"repair": match.group("part").lower(), "recorded": False, "why": "no-spare", "action": "service"}


def _retiring(match: "Any") -> "Dict[str, Any]":
    found = {
        "repair": "tpc",
        "recorded": True,
        "tpc": int(match.group("tpc")),
        "gpc": int(match.group("gpc")),
    }
    return dict(
        found, spare_from="same-gpc" if match.group("same") else "other-gpc", active_after="gpu-reset"
    )


def _not_retired(match: "Any") -> "Dict[str, Any]":
    found = {
        "repair": "tpc",
        "recorded": False,
        "tpc": int(match.group("tpc")),
        "gpc": int(match.group("gpc")),
    }
    return dict(found, why="no-spare", mig=bool(match.group("mig")))
