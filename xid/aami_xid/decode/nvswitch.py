"""SXid: one error of an NVSwitch in up to three lines of one code. The severity word in the line wins over any table."""

import re

from aami_xid.kernel_record import pattern
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Union

WORD = r"(?P<severity>Fatal|Non-?fatal|Correctable),\s*(?:Link (?P<link>[0-9]{1,4}),?\s*)?(?P<what>.*?)\s*(?P<first>\(First\))?\s*$"
ENGINE = r"Severity (?P<level>[0-9]{1,2}) Engine instance (?P<engine>[0-9]{1,4}) Sub-engine instance (?P<sub>[0-9]{1,4})"
DATA = r"Data \{(?P<data>0x[0-9a-f]+(?:,\s*0x[0-9a-f]+)*)?,?\s*\}?"
INSTANCE = r".*\binstance=(?P<instance>[0-9]{1,4})(?:, ?chiplet=(?P<chiplet>[0-9]{1,4}))?"


def decode(code: "int", text: "str") -> "Dict[str, Any]":
    fields: "Dict[str, Any]" = {"scope": scope(code)}
    engine = pattern(ENGINE, re.IGNORECASE).match(text)
    if engine:
        fields.update(part="engine", engine=int(engine.group("engine")), sub_engine=int(engine.group("sub")))
        severity = table("readings")["sxid_level"].get(str(int(engine.group("level"))))
        return dict(fields, severity=severity, severity_from="level", judged=["severity"])
    data = pattern(DATA, re.IGNORECASE).match(text)
    if data:
        words = re.findall("0x[0-9a-f]+", (data.group("data") or "").lower())
        return dict(_by_table(code, fields), part="data", data=words)
    word = pattern(WORD, re.IGNORECASE).match(text)
    if word:
        fields.update(
            part="report",
            severity=_word(word.group("severity")),
            severity_from="line",
            what=word.group("what"),
        )
        fields["first"] = bool(word.group("first"))
        if word.group("link"):
            fields["link"] = int(word.group("link"))
            if fields["scope"] == "unknown":
                fields.update(scope="port", judged=["scope"])  # the driver's tables don't tell, the line does
    elif text:
        fields = dict(_by_table(code, fields), part="report", what=text)
    else:
        fields = dict(_by_table(code, fields), part="report", undecoded="the line ends after the code")
    instance = pattern(INSTANCE, re.IGNORECASE).match(text)
    if instance:
        fields["instance"] = int(instance.group("instance"))
    return fields


def _word(text: "str") -> "str":
    return "non-fatal" if text.lower() in {"non-fatal", "nonfatal"} else text.lower()


def _by_table(code: "int", fields: "Dict[str, Any]") -> "Dict[str, Any]":
    severity = usual(code)
    if severity is None:
        return dict(
            fields, severity=None, undecoded="the line has no severity word, and SXid %d no single one" % code
        )
    return dict(fields, severity=severity, severity_from="table", judged=["severity"])


def scope(code: "int") -> "str":
    """How far a fatal error of this code reaches by what the driver marks: switch, port, or unknown."""
    tables = table("sxid")
    for name, reach in (("switch_wide", "switch"), ("one_port", "port")):
        if inside(code, tables[name]):
            return reach
    return "unknown"


def usual(code: "int") -> "Optional[str]":
    """The severity the driver always gives this code, or None where it decides at run time or we don't know."""
    tables = table("sxid")
    for name in ("fatal", "non-fatal"):
        if inside(code, tables[name]):
            return name
    names = {"fatal": "fatal", "warning": "non-fatal", "error": "non-fatal", "info": "non-fatal"}
    return next((names[name] for name, codes in _older().items() if inside(code, codes)), None)


def _older() -> "Dict[str, List[Any]]":
    return {name: codes for name, codes in table("sxid")["older"].items() if name != "about"}


def inside(code: "int", ranges: "List[Union[int, List[int]]]") -> "bool":
    return any(code == item if isinstance(item, int) else item[0] <= code <= item[1] for item in ranges)
