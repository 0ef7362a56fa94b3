"""Xid 119, 120, 121, 175 (GSP), 59, 61, 62 (PMU), 110 (security), 143 (boot), 179, 182: what stopped."""

import re

from aami_xid.decode import hexed
from aami_xid.kernel_record import pattern
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

RPC = (
    r"Timeout after (?P<seconds>[0-9]{1,5})s of waiting for RPC response from GPU(?P<gpu_index>[0-9]{1,3}) GSP!?"
    r"(?: Expected function (?P<function>[0-9]{1,5}) \((?P<name>[A-Z0-9_]{1,60})\)(?: sequence (?P<sequence>[0-9]{1,10}))?"
    r"(?: \((?P<data0>0x[0-9a-f]{1,16}) (?P<data1>0x[0-9a-f]{1,16})\))?)?"
)
OLD_RPC = r"Timeout waiting for RPC from GSP(?P<gpu_index>[0-9]{1,3})?!?(?: Expected function (?P<function>[0-9]{1,5})(?: \((?P<name>[A-Z0-9_]{1,60})\))?(?: \((?P<data0>0x[0-9a-f]{1,16}) (?P<data1>0x[0-9a-f]{1,16})\))?)?"
TASK = (
    r"GSP (?P<where>task|kernel) exception: (?P<what>[^@]{1,120}?)(?: \(cause:(?P<cause>0x[0-9a-f]{1,8})\))?"
    r"(?: @ pc:(?P<pc>0x[0-9a-f]{1,16}))?(?:, partition:(?P<partition>[0-9#]{1,12}))?(?:, task:(?P<task>[0-9]{1,6}))?(?:, ?gfid: ?(?P<gfid>[0-9]{1,6}))?(?:,.*)?\s*$"
)
WORDS = r"(?:CMDre )?[0-9a-f]{4,8}(?:\([0-9a-f]{1,8}\))?(?: [0-9a-f]{4,8}){1,16}\s*$"
SECURITY = r"SEC_FAULT: (?P<fault>_?[A-Za-z0-9_]{1,80})"
BOOT = r"Error status (?P<status>0x[0-9a-f]{1,8}) while polling for FSP boot complete,?\s*(?P<words>(?:0x[0-9a-f]{1,8},?\s*)*)"
MEMORY_STUCK = r"GPU memory subsystem timeout(?: \(type (?P<type>[0-9]{1,10})\))?(?: detected)?"  # driver 610
FAULT = r"(?:(?P<source>GSP-RM|LibOS) Heartbeat Timeout detected|GSP firmware fault detected|GSP (?P<where>task|kernel) exception\s*$)"
CONTAINED = r"C2C containment detected(?:\. ?Containment code (?P<code>0x[0-9a-f]{1,8}))?"
RESET = r"(?P<perhaps>Possible )?PCIE_RESET_FAILURE:?(?: Classification: (?P<number>[0-9]{1,6}))?(?:, Recommendation: (?P<advice>[^.,]{1,60}))?"
FUSES = r"FSP fuse error check has failed\.? Status ?=? ?(?P<status>0x[0-9a-f]{1,8})"


def decode(code: "int", text: "str", _driver: "Optional[str]" = None) -> "Dict[str, Any]":
    forms = (
        (RPC, _rpc), (OLD_RPC, _rpc), (TASK, _task), (WORDS, _words), (SECURITY, _security), (BOOT, _boot), (FUSES, _boot),
        (MEMORY_STUCK, _memory_stuck), (FAULT, _fault), (CONTAINED, _contained), (RESET, _reset),
    )  # fmt: skip
    for form, read in forms:
        match = pattern(form, re.IGNORECASE).match(text)
        if match:
            return read(match)
    return {"undecoded": "no known form of a firmware report (Xid %d)" % code}


def _rpc(match: "Any") -> "Dict[str, Any]":
    fields: "Dict[str, Any]" = {
        name: int(value)
        for name, value in match.groupdict().items()
        if name in {"seconds", "gpu_index", "function", "sequence"} and value is not None
    }
    if not match.group("function"):
        fields["undecoded"] = "the line does not say which call was waited for"
        return fields
    fields["function_name"] = match.group("name")
    known = table("readings")["gsp_function"].get(match.group("function"))
    if match.group("data0"):
        fields["data"] = [hexed(match.group("data0")), hexed(match.group("data1"))]
        if known and known[1]:
            names = [known[1]] + ([known[2]] if known[2] else [])
            fields["data_means"] = names
            fields["judged"] = ["data_means"]
    if known:
        fields["waiting_for"] = known[0]
    else:
        fields["undecoded"] = "GSP function %s has no reading of ours" % match.group("function")
    return fields


def _task(match: "Any") -> "Dict[str, Any]":
    fields: "Dict[str, Any]" = {"where": match.group("where").lower(), "what": match.group("what").strip()}
    for name in ("cause", "pc"):
        if match.group(name):
            fields[name] = hexed(match.group(name))
    if match.group("partition"):
        fields["partition"] = match.group("partition")
    for name in ("task", "gfid"):
        if match.group(name):
            fields[name] = int(match.group(name))
    return fields


def _words(match: "Any") -> "Dict[str, Any]":
    return {"words": match.group(0).split(), "undecoded": "raw firmware words: keep them for the vendor"}


def _security(match: "Any") -> "Dict[str, Any]":
    fault = match.group("fault").lstrip("_")
    fields: "Dict[str, Any]" = {"fault": fault}
    if "VMON" in fault.upper():
        fields.update(reading="a voltage monitor tripped", judged=["reading"])
    return fields


def _fault(match: "Any") -> "Dict[str, Any]":
    """Driver 610 says little more than that the firmware failed."""
    if match.group("where"):
        return {"where": match.group("where").lower(), "undecoded": "the line does not say which exception"}
    if match.group("source"):
        reading = "the GPU's firmware no longer gives a sign of life"
        return {
            "what": "heartbeat",
            "source": match.group("source"),
            "reading": reading,
            "judged": ["reading"],
        }
    return {"what": "firmware fault"}


def _contained(match: "Any") -> "Dict[str, Any]":
    found: "Dict[str, Any]" = {"link": "C2C"}
    return dict(found, containment_code=hexed(match.group("code"))) if match.group("code") else found


def _reset(match: "Any") -> "Dict[str, Any]":
    found: "Dict[str, Any]" = {"certain": not match.group("perhaps")}
    if match.group("number"):
        found["classification"] = int(match.group("number"))
    if match.group("advice"):
        found["recommends"] = match.group("advice").strip()
    return found


def _memory_stuck(match: "Any") -> "Dict[str, Any]":
    fields: "Dict[str, Any]" = {"reading": "the GPU's memory system does not answer"}
    if match.group("type"):
        fields["type"] = int(match.group("type"))
        fields["note"] = "what the type's number means is not published"
    return dict(fields, judged=["reading"])


def _boot(match: "Any") -> "Dict[str, Any]":
    fields: "Dict[str, Any]" = {"status": hexed(match.group("status"))}
    words = match.groupdict().get("words")
    if words:
        fields["words"] = [hexed(word) for word in words.replace(",", " ").split()]
    return fields
