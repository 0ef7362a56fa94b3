"""What one line says beyond its code: rows of words."""

from aami_xid import event as trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Tuple

    from aami_xid.event import Event

    Rows = List[Tuple[str, str]]

TRUST = {
    trust.NO_BUS_ID: "The line names no GPU: it can't be tied to one.",
    trust.NOT_KERNEL: "Another program than the kernel wrote this line: it proves nothing.",
    trust.NOT_DRIVER: "The kernel wrote this line, but not the driver: a process with a misleading name.",
}
TOLD = {
    "text", "reading", "reason", "asks_for", "undecoded", "note", "judged", "shape", "action", "text_of",
    "text_of_text", "outcomes",
}  # fmt: skip


def rows(event: "Event") -> "Rows":
    """Who, where, and what its fields mean; what could not be decoded is said."""
    fields = event.fields
    found = [
        ("GPU" if event.kind != "sxid" else "switch", event.bus_id),
        ("MIG", _instance(event)),
        ("process", _process(event)),
        (
            "caused by",
            None if event.caused_by is None else "Xid %d, by the driver's own word" % event.caused_by,
        ),
        ("reading", _sentence(fields.get("reading") or fields.get("reason"))),
        ("asks for", fields.get("asks_for")),
        ("then", _outcomes(fields.get("outcomes"))),
        ("fields", _plain(fields)),
        ("not read", fields.get("undecoded")),
        ("note", fields.get("note")),
        ("trust", TRUST.get(event.trust)),
    ]
    return [(lead, str(words)) for lead, words in found if words]


def codes(event: "Event") -> "List[Tuple[str, int]]":
    """The codes to explain: that of the line, and the one that caused it. A lost GPU is told by a plain line, too."""
    if event.kind in {"xid", "sxid"} and event.code is not None:
        first = event.fields.get("text_of", event.code)
        return [(event.kind, first)] + ([("xid", event.caused_by)] if event.caused_by is not None else [])
    if event.kind == "fallen-off":
        return [("xid", 79)]
    return []


def suspicion(events: "List[Event]") -> "str":
    """Why lines that look like a driver's are none."""
    words = [TRUST[event.trust] for event in events if event.trust in {trust.NOT_KERNEL, trust.NOT_DRIVER}]
    return words[0] if words else ""


def _instance(event: "Event") -> "Optional[str]":
    if event.mig is None:
        return None
    inner = "" if event.mig["ci"] is None else ", compute instance %d" % event.mig["ci"]
    return "GPU instance %s%s" % (event.mig["gi"], inner)


def _process(event: "Event") -> "Optional[str]":
    if event.process is None and event.pid is None:
        return None
    words = event.process or "without a name"
    if event.pid is not None:
        words += " (pid %d)" % event.pid
    return words + (", perhaps only the one whose call met the error" if event.bystander else "")


def _sentence(value: "Any") -> "Optional[str]":
    return value if isinstance(value, str) else None


def _outcomes(outcomes: "Any") -> "Optional[str]":
    return "; ".join(one["then"] for one in outcomes if one.get("then")) if outcomes else None


def _plain(fields: "Any") -> "str":
    """The short values, as `name value`; lists and tables are left to --json."""
    found = []
    for name, value in fields.items():
        if name in TOLD or value is None or isinstance(value, (dict, list)):
            continue
        shown = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
        found.append("%s %s" % (name.replace("_", " "), shown))
    return ", ".join(found)
