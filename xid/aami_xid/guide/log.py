"""Fault groups as sections, and the one sentence over them."""

from aami_xid.guide.words import NAMES, NEEDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

    from aami_xid.event import Event
    from aami_xid.repeat import Repeat
    from aami_xid.story import Group

    Rows = List[Tuple[str, str]]
    Section = Tuple[str, Rows]


MOST_CODES = 6


def section(group: "Group", program: "str") -> "Section":
    """One group: its severity and title, when and where, the story, and what it needs."""
    rows = [
        (group.severity.upper(), group.title),
        ("", _when(group)),
        ("", _where(group)),
        ("", _story(group)),
        ("NEEDS" if group.needs_action else "needs", (group.needs or NEEDS[group.action]) + "."),
        ("more", _more(group, program)),
    ]
    return "", [(lead, words) for lead, words in rows if words]


def headline(groups: "int", needy: "int", events: "int") -> "str":
    if not groups:
        return "No fault of a GPU or NVSwitch in this log."
    return "%s in %s. %s." % (
        number(groups, "fault group"),
        number(events, "line"),
        "Nothing needs action" if not needy else "%s action" % number(needy, "needs", "need"),
    )


def number(count: "int", one: "str", more: "str" = "") -> "str":
    return "%d %s" % (count, one if count == 1 else more or one + "s")


def repeats(found: "List[Repeat]") -> "Section":
    """What came again."""
    return "What comes again", [
        (repeat.verdict, "%s: %s" % (" ".join(str(part) for part in repeat.key), repeat.text))
        for repeat in found
    ]


def _when(group: "Group") -> "str":
    first, last = moment(group.first), moment(group.last)
    lines = number(group.count, "line")
    if first is None:
        return lines
    host = "" if group.host is None else ", %s" % group.host
    assumed = ", year assumed" if group.first.time_kind == "assumed" else ""
    span = first if last in {None, first} else "%s to %s" % (first, last)
    return "%s, %s%s%s" % (span, lines, assumed, host)


def moment(event: "Event") -> "Optional[str]":
    if event.time is not None:
        return event.time
    return None if event.mono_us is None else "%.3f s after boot" % (event.mono_us / 1e6)


def _where(group: "Group") -> "str":
    """UUID and serial number, where the log tells them: a bus id says which slot, not which GPU."""
    told = []
    for gpu in group.gpus:
        known = [gpu["uuid"], gpu["serial"] and "serial number %s" % gpu["serial"]]
        if any(known):
            told.append("%s is %s" % (gpu["bus_id"], ", ".join(str(one) for one in known if one)))
    others = [gpu["bus_id"] for gpu in group.gpus[1:]]
    if others:
        told.append("also on %s" % ", ".join(str(one) for one in others))
    if group.switches:
        told.append("NVSwitches %s" % ", ".join(group.switches))
    return "; ".join(told)


def _story(group: "Group") -> "str":
    """The summary without the title that stands above it."""
    start = "%s." % group.title.rstrip(".")
    return group.summary[len(start) :].strip() if group.summary.startswith(start) else group.summary


def _more(group: "Group", program: "str") -> "str":
    """The command that explains the codes of the group, the root first."""
    tokens = [group.root.token, *group.codes]
    codes = [token.partition(":")[2] for token in dict.fromkeys(tokens) if token.partition(":")[0] in NAMES]
    return "%s explain %s" % (program, " ".join(codes[:MOST_CODES])) if codes else ""
