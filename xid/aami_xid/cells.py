"""Events near each other on one device, kept as counts and a few samples: the unit that grouping works on.

Two events are in one cell when they are on the same device and nearer in time than the longer of their classes' gaps;
so which events share a cell does not depend on their order.
"""

from aami_xid.weights import ACTIONS, SEVERITIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

    from aami_xid.event import Event
    from aami_xid.weights import Weight

    Place = Tuple[str, str]

GPU, SWITCH, NOTE = "gpu", "switch", "note"
UNKNOWN = "?"


class Run:
    """All events of one token in a cell."""

    __slots__ = (
        "by_device",
        "count",
        "events",
        "family",
        "first",
        "flagged",
        "gap",
        "last",
        "latest",
        "own_action",
        "own_severity",
        "token",
        "top",
    )  # fmt: skip

    def __init__(self, token: "str", weight: "Weight", at: "float", gap: "float") -> "None":
        self.token = token
        self.family = weight.family
        self.first = self.last = at
        self.gap = gap
        self.count = 0
        self.by_device: "Dict[Optional[str], List[int]]" = {}
        self.own_severity = weight.severity
        self.own_action = weight.action
        self.flagged: "Optional[Tuple[str, str]]" = None
        self.top: "Optional[Tuple[int, float, str]]" = None
        self.events: "List[Tuple[float, Event]]" = []
        self.latest: "Optional[Tuple[float, Event]]" = None

    @property
    def action(self) -> "str":
        """RST and D-RST, where a line carries them, win over the code of all its lines."""
        return self.own_action if self.flagged is None else self.flagged[0]

    @property
    def severity(self) -> "str":
        return self.own_severity if self.flagged is None else self.flagged[1]

    def add(self, event: "Event", weight: "Weight", at: "float", keep: "Optional[int]") -> "None":
        self.first, self.last = min(self.first, at), max(self.last, at)
        self.count += 1
        self._count(event.bus_id, event.fields.get("part", "report") != "report", 1)
        self._weigh(weight.action, weight.severity)
        if "reset_required" in event.fields:
            self._flag(weight.action, weight.severity)
        mine = (-weight.priority, at, self.token)
        self.top = mine if self.top is None else min(self.top, mine)
        self._see(at, event)
        if keep is None or len(self.events) < keep:
            self.events.append((at, event))

    def join(self, other: "Run", keep: "Optional[int]") -> "None":
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.count += other.count
        for bus_id, counts in other.by_device.items():
            for part, number in enumerate(counts):
                self._count(bus_id, bool(part), number)
        self._weigh(other.own_action, other.own_severity)
        if other.flagged is not None:
            self._flag(*other.flagged)
        self.top = min(top for top in (self.top, other.top) if top is not None)
        if other.latest is not None:
            self._see(*other.latest)
        self.events.extend(other.events if keep is None else other.events[: max(0, keep - len(self.events))])

    @property
    def reports(self) -> "int":
        """The two further lines of an NVSwitch report are no reports of their own."""
        return sum(whole or (parts + 1) // 2 for whole, parts in self.by_device.values())

    def _count(self, bus_id: "Optional[str]", part: "bool", number: "int") -> "None":  # noqa: FBT001 - a fact, no option
        self.by_device.setdefault(bus_id, [0, 0])[part] += number

    def shift(self, seconds: "float") -> "None":
        """Move to another clock."""
        self.first, self.last = self.first + seconds, self.last + seconds
        self.events = [(at + seconds, event) for at, event in self.events]
        if self.latest is not None:
            self.latest = self.latest[0] + seconds, self.latest[1]
        if self.top is not None:
            self.top = self.top[0], self.top[1] + seconds, self.top[2]

    def _weigh(self, action: "str", severity: "str") -> "None":
        self.own_action = stronger(self.own_action, action, ACTIONS)
        self.own_severity = stronger(self.own_severity, severity, SEVERITIES)

    def _flag(self, action: "str", severity: "str") -> "None":
        old = self.flagged or (action, severity)
        self.flagged = stronger(old[0], action, ACTIONS), stronger(old[1], severity, SEVERITIES)

    def _see(self, at: "float", event: "Event") -> "None":
        if self.latest is None or (at, event.index) >= (self.latest[0], self.latest[1].index):
            self.latest = at, event


def stronger(one: "str", other: "str", order: "Tuple[str, ...]") -> "str":
    return max(one, other, key=order.index)


def rank(run: "Run") -> "Tuple[int, float, str]":
    return run.top or (0, run.first, run.token)


def place(event: "Event") -> "Place":
    """Where an event belongs: a GPU, the switches (one place a code: they report together), or a note without a GPU."""
    if event.kind == "sxid":
        return SWITCH, str(event.code)
    if event.bus_id:
        return GPU, event.bus_id
    return (GPU, UNKNOWN) if event.kind == "xid" else (NOTE, event.kind)


def same_part(
    one: "Optional[Dict[str, Optional[int]]]", other: "Optional[Dict[str, Optional[int]]]"
) -> "bool":
    """Whether two MIG attributions can be of one fault: the same instance, or one of them the whole GPU."""
    return one is None or other is None or one["gi"] == other["gi"]


class Cell:
    """One device's incident."""

    __slots__ = ("host", "mig", "place", "runs")

    def __init__(
        self, host: "Optional[str]", where: "Place", mig: "Optional[Dict[str, Optional[int]]]"
    ) -> "None":
        self.host = host
        self.place = where
        self.mig = mig
        self.runs: "Dict[str, Run]" = {}

    @property
    def first(self) -> "float":
        return min(run.first for run in self.runs.values())

    @property
    def last(self) -> "float":
        return max(run.last for run in self.runs.values())

    @property
    def gap(self) -> "float":
        return max(run.gap for run in self.runs.values())

    @property
    def root(self) -> "Run":
        """The run that explains the others: highest priority, then earliest."""
        return min(self.runs.values(), key=rank)

    def near(self, at: "float", gap: "float") -> "bool":
        return any(
            run.first - max(gap, run.gap) <= at <= run.last + max(gap, run.gap) for run in self.runs.values()
        )

    def add(
        self, event: "Event", weight: "Weight", at: "float", gap: "float", keep: "Optional[int]"
    ) -> "None":
        token = token_of(event)
        run = self.runs.get(token)
        if run is None:
            run = self.runs[token] = Run(token, weight, at, gap)
        run.add(event, weight, at, keep)

    def absorb(self, other: "Cell", keep: "Optional[int]") -> "None":
        """Take over the runs of a cell that an event has joined to this one."""
        for token, theirs in other.runs.items():
            mine = self.runs.setdefault(token, theirs)
            if mine is not theirs:
                mine.join(theirs, keep)
        if not same_part(self.mig, other.mig) or other.mig is None:
            self.mig = None


def token_of(event: "Event") -> "str":
    """The name rules use; where text and number contradict each other, that of the text."""
    other = event.fields.get("text_of")
    return "xid:%d" % other if other is not None else event.token
