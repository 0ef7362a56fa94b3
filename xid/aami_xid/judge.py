"""What one event weighs once its line is decoded: the line's own words win over the table for its code."""

from aami_xid import weights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from aami_xid.event import Event

SMALL = 26  # priority of a report that says of itself that nothing is lost
SEVERITY_OF = {"fatal": "fatal", "link-fatal": "fatal", "non-fatal": "warning"}
NEARER = {"local": 2, "remote": -2}  # of two ends of one link, the one that names itself is the root


def judge(event: "Event") -> "Optional[weights.Weight]":
    """None for lines that are no fault by themselves."""
    weight = weights.of_event(event)
    if weight is None:
        return None
    fields = event.fields
    weight.action = fields.get("action", weight.action)
    if event.kind == "aer":
        if event.bus_id and "uncorrect" in fields.get("reason", "").lower():
            weight.severity, weight.action = "error", "investigate"
    elif weight.family == "nvlink5":
        _link5(weight, event)
    elif weight.family == "recovery":
        weight.severity = _of_action(weight.action)
    elif weight.family == "nvlink" and weight.action == "none":
        weight.severity, weight.priority = "warning", SMALL
    elif "reset_required" in fields:
        weight.severity = "fatal" if fields["reset_required"] else "error"
    elif fields.get("why") == "waits-for-reset":
        weight.severity = "error"
    return weight


def _link5(weight: "weights.Weight", event: "Event") -> "None":
    outcomes = event.fields.get("outcomes", [])
    fatal = bool(event.fields.get("fatal"))
    if outcomes:
        fatal = any(SEVERITY_OF[outcome["severity"]] == "fatal" for outcome in outcomes)
    weight.severity = "fatal" if fatal else "error" if weight.action == "tell-user" else "warning"
    if weight.severity == "warning":
        weight.priority = SMALL
    elif weight.severity == "fatal":
        weight.priority += NEARER.get(event.fields.get("end", ""), 0)


def _of_action(action: "str") -> "str":
    if action in {"none", "tell-user"}:
        return "info"
    return "fatal" if action in {"reset-gpu", "bus-reset", "reboot-node"} else "error"
