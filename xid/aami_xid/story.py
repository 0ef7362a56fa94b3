"""A fault group as people read it: its root, what to call it, what it needs, and one paragraph about it."""

from aami_xid import weights
from aami_xid.cells import GPU, SWITCH, UNKNOWN, stronger
from aami_xid.judge import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Tuple

    from aami_xid.cells import Cell, Run
    from aami_xid.event import Event
    from aami_xid.names import Names

    Timed = Tuple[float, Event]

SCOPES = {
    "switch": "The whole switch is affected: all GPUs and switches need one reset together, or a reboot.",
    "port": "One port is affected, and the GPUs behind it.",
    "unknown": "How far it reaches is not known: look for Xid 74 and 45 on the GPUs around it.",
}
LOST_RESET = " For a lost GPU that can only work once the device answers again."


class Group:
    """Events that belong together. `events` are in log order; with a limit on what is kept, `count` still counts all."""

    def __init__(self, cells: "List[Cell]", clock: "str", names: "Names", rules: "Dict[str, Any]") -> "None":
        top = cells[0]
        self.host = top.host
        self.clock = clock
        self._runs = [run for cell in cells for run in cell.runs.values()]
        timed = sorted((pair for run in self._runs for pair in _known(run)), key=_by_index)
        self.events = [event for _, event in timed]
        self.root = min(top.root.events or _known(top.root), key=_by_time)[1]
        self.count = sum(run.reports for run in self._runs)
        self.codes = _codes(self._runs)
        self.first_at, self.first = min(timed, key=_by_time)
        self.last_at, self.last = max(timed, key=_by_time)
        self.bus_ids = _ordered(top.place[1], (cell.place[1] for cell in cells if cell.place[0] == GPU))
        self.switches = sorted(
            {event.bus_id for event in self.events if event.kind == "sxid" and event.bus_id}
        )
        self.gpus = [
            {
                "bus_id": bus_id,
                "uuid": names.uuid(self.host, bus_id),
                "serial": names.serial(self.host, bus_id),
            }
            for bus_id in self.bus_ids
        ]
        self.mig = top.mig
        self.severity = "info"
        for run in top.runs.values():
            self.severity = stronger(self.severity, run.severity, weights.SEVERITIES)
        self.asked = _asked(cells)
        self.story = _story(self, top, rules)
        self.severity = self.story.get("severity", self.severity)
        self.action, self.action_from = _action(self, top)
        self.title = _title(self, top)
        self.summary = _summary(self, top)

    @property
    def needs_action(self) -> "bool":
        return self.action not in weights.NEEDS_NOBODY

    @property
    def needs(self) -> "Optional[str]":
        """What to do in words, where the action alone would promise too much; else None."""
        words: "Optional[str]" = self.story.get("needs", {}).get(self.action)
        return words

    @property
    def locations(self) -> "List[Tuple[int, int]]":
        """The (GPC, TPC) pairs that its Xid 13 lines name."""
        found = {
            (event.fields.get("gpc"), event.fields.get("tpc")) for event in self.events if event.kind == "xid"
        }
        return sorted((gpc, tpc) for gpc, tpc in found if isinstance(gpc, int) and isinstance(tpc, int))

    def to_dict(self) -> "Dict[str, Any]":
        """Stable keys.

        `root` {kind, code, bus_id, event}, `title`, `story` (the rule that named it), `severity` (info, warning, error,
        fatal), `action` (weights.ACTIONS), `action_from` (recovery action, flags, story, report), `gpus` [{bus_id,
        uuid, serial}] with the root's first, `switches`, `mig`, `host`, `count` (reports, an NVSwitch report of three
        lines once), `codes` {token: reports}, `first` and `last` (RFC 3339 or null), `first_mono_us`, `last_mono_us`,
        `time_kind`, `events` (indices), `summary`.
        """
        root = {
            "kind": self.root.kind,
            "code": self.root.code,
            "bus_id": self.root.bus_id,
            "event": self.root.index,
        }
        return {
            "root": root,
            "title": self.title,
            "story": self.story["name"],
            "severity": self.severity,
            "action": self.action,
            "action_from": self.action_from,
            "gpus": self.gpus,
            "switches": self.switches,
            "mig": self.mig,
            "host": self.host,
            "count": self.count,
            "codes": self.codes,
            "first": self.first.time,
            "last": self.last.time,
            "first_mono_us": self.first.mono_us,
            "last_mono_us": self.last.mono_us,
            "time_kind": self.first.time_kind,
            "events": [event.index for event in self.events],
            "summary": self.summary,
        }

    def __repr__(self) -> "str":
        return "<Group %s, %d events, %s>" % (self.title, self.count, self.action)


def _by_time(pair: "Timed") -> "Tuple[float, int]":
    return pair[0], pair[1].index


def _by_index(pair: "Timed") -> "int":
    return pair[1].index


def _known(run: "Run") -> "List[Timed]":
    """The events a run has kept, and its latest one."""
    if run.latest is None or any(event is run.latest[1] for _, event in run.events):
        return run.events
    return [*run.events, run.latest]


def _codes(runs: "List[Run]") -> "Dict[str, int]":
    found: "Dict[str, int]" = {}
    for run in sorted(runs, key=lambda run: (run.first, run.token)):
        found[run.token] = found.get(run.token, 0) + run.reports
    return found


def _ordered(root: "str", all_ids: "Iterable[str]") -> "List[str]":
    """Bus ids, that of the root first."""
    known = sorted(set(all_ids) - {UNKNOWN})
    return [root] + [bus_id for bus_id in known if bus_id != root] if root in known else known


def _asked(cells: "List[Cell]") -> "Dict[str, Event]":
    """The last recovery action of each GPU; for the root's GPU alone if it has one."""
    found: "Dict[str, Event]" = {}
    for cell in cells:
        run = cell.runs.get("xid:154")
        if run is not None and run.latest is not None and "to" in run.latest[1].fields:
            found[cell.place[1]] = run.latest[1]
            if cell is cells[0]:
                return found
    return found


def _story(group: "Group", top: "Cell", rules: "Dict[str, Any]") -> "Dict[str, Any]":
    tokens = {run.token for run in group._runs}  # noqa: SLF001 - its own module
    root = {top.root.token} | ({"sxid:*"} if top.place[0] == SWITCH else set())
    for story in rules["stories"]:
        if _fits(story, root, tokens, top.root.family):
            found: "Dict[str, Any]" = story
            return found
    return {"name": "other", "title": "{gpu}: {name}", "text": ""}


def _fits(story: "Dict[str, Any]", root: "set[str]", tokens: "set[str]", family: "str") -> "bool":
    return (
        ("root" not in story or bool(root & set(story["root"])))
        and ("any" not in story or bool(tokens & set(story["any"])))
        and set(story.get("all", ())) <= tokens
        and not tokens & set(story.get("none", ()))
        and ("family" not in story or family in story["family"])
    )


def _action(group: "Group", top: "Cell") -> "Tuple[str, str]":
    """What the driver asked for, else what the story says, else the strongest of what the root's device reported."""
    asked = "none"
    for event in group.asked.values():
        asked = stronger(asked, event.fields["action"], weights.ACTIONS)
    if group.asked:
        return asked, "recovery action"
    if "action" in group.story:
        return group.story["action"], "story"
    best = max(top.runs.values(), key=lambda run: weights.ACTIONS.index(run.action))
    action, source = best.action, "flags" if best.flagged else "report"
    for run in group._runs:  # noqa: SLF001 - its own module
        if run.token == "uvm-fatal":  # noqa: S105 - no secret
            action = stronger(action, run.action, weights.ACTIONS)
    return action, source


def label(group: "Group", top: "Cell") -> "str":
    if top.place[0] == GPU and top.place[1] != UNKNOWN:
        if top.root.token == "xid:45" and len(group.bus_ids) > 1:  # noqa: S105 - no secret
            return "%d GPUs" % len(group.bus_ids)
        instance = "" if group.mig is None else " instance %s" % group.mig["gi"]
        return "GPU %s%s" % (top.place[1], instance)
    return "GPU (not named in the log)"


def _words(group: "Group", top: "Cell") -> "Dict[str, str]":
    fields = group.root.fields
    weight = judge(group.root)
    title = weight.title if weight else group.root.kind
    return {
        "gpu": label(group, top),
        "bus": group.root.bus_id or "(not named)",
        "name": "%s%s" % (title, _number(group.root)),
        "unit": str(fields.get("unit", "Xid %s" % _written_for(group.root))),
        "reading": _reading(group),
        "scope": SCOPES[fields.get("scope", "unknown")] if group.severity == "fatal" else "",
    }


def _written_for(event: "Event") -> "Optional[int]":
    """The code of its text, which is believed where the number says another."""
    code: "Optional[int]" = event.fields.get("text_of", event.code)
    return code


def _number(event: "Event") -> "str":
    code = _written_for(event)
    return "" if code is None else " (%s %d)" % ({"sxid": "SXid"}.get(event.kind, "Xid"), code)


def _title(group: "Group", top: "Cell") -> "str":
    """What happened; and the number, where it says something else than the text."""
    title: "str" = group.story["title"].format(**_words(group, top))
    odd = "text_of" in group.root.fields
    return "%s, printed under the number %d" % (title, group.root.code or 0) if odd else title


def _reading(group: "Group") -> "str":
    """The decoded meaning of the root, as a sentence; or why it has none."""
    same = [
        event
        for event in group.events
        if event.token == group.root.token and event.bus_id == group.root.bus_id
    ]
    for event in [group.root, *same]:
        reading = event.fields.get("reading")
        if reading:
            return "%s%s. " % (reading[0].upper(), reading[1:])
    outcomes = group.root.fields.get("outcomes") or [{}]
    then = outcomes[0].get("then")
    if then and then != "nothing more":
        return "%s%s. " % (then[0].upper(), then[1:])
    reason = group.root.fields.get("reason")
    return "%s. " % reason if reason else ""


def _summary(group: "Group", top: "Cell") -> "str":
    text = group.story.get("text", "").format(**_words(group, top)).strip()
    parts = ["%s." % group.title.rstrip("."), text, _lines(group), _driver_asks(group)]
    return " ".join(part for part in parts if part)


def _lines(group: "Group") -> "str":
    """`Lines: 1 x Xid 79, 7 x Xid 74 on 7 GPUs, …`"""
    devices: "Dict[str, set[Optional[str]]]" = {}
    for run in group._runs:  # noqa: SLF001 - its own module
        devices.setdefault(run.token, set()).update(run.by_device.keys() - {None})
    found = []
    for token, count in group.codes.items():
        name = token.replace("sxid:", "SXid ").replace("xid:", "Xid ")
        places = len(devices[token])
        where = (
            "" if places <= 1 else " on %d %s" % (places, "switches" if token.startswith("sxid") else "GPUs")
        )
        found.append("%d x %s%s" % (count, name, where))
    return "Lines: %s." % ", ".join(found)


def _driver_asks(group: "Group") -> "str":
    if not group.asked:
        return ""
    wanted = sorted(
        {event.fields.get("asks_for", "an action of no published meaning") for event in group.asked.values()}
    )
    if group.action == "none":
        return "The driver asks for nothing (any more)."
    late = LOST_RESET if group.story["name"] == "lost" and group.action == "reset-gpu" else ""
    return "The driver asks for: %s.%s" % ("; ".join(wanted), late)
