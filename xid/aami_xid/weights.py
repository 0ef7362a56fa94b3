"""What a report weighs before its line is decoded: class, severity, action, priority as a root. Data: codes.json."""

from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional

    from aami_xid.event import Event

SEVERITIES = ("info", "warning", "error", "fatal")
# From no action to the strongest; the driver's own actions are among them.
ACTIONS = (
    "none", "tell-user", "investigate", "plan-replacement", "fix-config", "drain-peers", "recover-imex",
    "reset-when-idle", "drain-and-reset", "reset-gpu", "bus-reset", "reset-fabric", "reboot-node", "service",
)  # fmt: skip
NEEDS_NOBODY = ("none", "tell-user")
OWNER = "owner"


class Weight:
    """One row: `family` is the class of the code, `process` whether a named process owns the channel or only called."""

    __slots__ = ("action", "family", "priority", "process", "severity", "title")

    def __init__(self, row: "List[Any]") -> "None":
        self.family: "str" = row[0]
        self.severity: "str" = row[1]
        self.action: "str" = row[2]
        self.priority: "int" = row[3]
        self.process: "str" = row[4]
        self.title: "str" = row[5]


def of_code(code: "int") -> "Weight":
    """Of an Xid, known or not."""
    tables = table("codes")
    return Weight(tables["xid"].get(str(code), tables["unknown"]))


def of_switch(severity: "Optional[str]", scope: "str" = "port") -> "Weight":
    """Of an SXid, by its severity word; a fatal one that takes the whole switch weighs more."""
    name = severity or "unsaid"
    if name == "fatal" and scope == "switch":
        name = "fatal-switch"
    return Weight(table("codes")["sxid"][name])


def of_event(event: "Event") -> "Optional[Weight]":
    """None for lines that are no fault by themselves: identities, versions, plain text."""
    if event.kind == "xid" and event.code is not None:
        return of_code(event.fields.get("text_of", event.code))
    if event.kind == "sxid":
        return of_switch(event.fields.get("severity"), event.fields.get("scope", "port"))
    row = table("codes")["kind"].get(event.kind)
    return None if row is None else Weight(row)
