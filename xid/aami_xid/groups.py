"""Fault groups from events: constant memory, groups come out once nothing can join them any more."""

from aami_xid import arrange
from aami_xid.cells import Cell, place, same_part
from aami_xid.judge import judge
from aami_xid.names import Names
from aami_xid.story import Group
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

    from aami_xid.cells import Place
    from aami_xid.event import Event
    from aami_xid.weights import Weight

    LaneKey = Tuple[Optional[str], str]

REACH = 120.0  # seconds: the widest link rule looks 60 back and 60 ahead
PATIENCE = 5.0  # seconds of the log between two looks for finished groups
LONGEST_WAIT = 900.0  # a finished group waits no longer for one beside it that does not end
MOST_CELLS = 256
NO_CLOCK = "order"


class Lane:
    """One host's events on one clock."""

    def __init__(
        self, host: "Optional[str]", clock: "str", rules: "Dict[str, Any]", keep: "Optional[int]"
    ) -> "None":
        self.host = host
        self.clock = clock
        self.rules = rules
        self.keep = keep
        self.now: "Optional[float]" = None
        self.due = 0.0
        self.cells: "Dict[Place, List[Cell]]" = {}
        self.count = 0

    def gap(self, weight: "Weight") -> "float":
        gaps = self.rules["gap_s"]
        return float(gaps.get(weight.family, gaps["default"]))

    def add(self, event: "Event", weight: "Weight", at: "float") -> "None":
        gap = self.gap(weight)
        there = self.cells.setdefault(place(event), [])
        near = [cell for cell in there if same_part(cell.mig, event.mig) and cell.near(at, gap)]
        if near:
            first = near[0]
            for other in near[1:]:
                first.absorb(other, self.keep)
                there.remove(other)
                self.count -= 1
            if not same_part(first.mig, event.mig) or event.mig is None:
                first.mig = None
        else:
            first = Cell(self.host, place(event), event.mig)
            there.append(first)
            self.count += 1
        first.add(event, weight, at, gap, self.keep)

    def _longest_gap(self) -> "float":
        return max((cell.gap for cell in self.all_cells()), default=0.0)

    def all_cells(self) -> "List[Cell]":
        return [cell for there in self.cells.values() for cell in there]

    def advance(self, at: "float") -> "List[List[Cell]]":
        """Move the clock; what is finished by then comes out. A jump back is another boot or another file: all is."""
        found: "List[List[Cell]]" = []
        if self.now is not None and at < self.now - REACH and at < self.now - REACH - self._longest_gap():
            found = self.finish()
            self.now = at
        self.now = at if self.now is None else max(self.now, at)
        if self.now >= self.due or self.count > MOST_CELLS:
            found += self._settled(self.now)
        return found

    def move_to(self, clock: "str", at: "float") -> "None":
        """Lines without a time came before the first one with a time: they end a second before it."""
        shift = at - 1.0 - (self.now or 0.0)
        for run in (run for cell in self.all_cells() for run in cell.runs.values()):
            run.shift(shift)
        self.clock, self.now, self.due = clock, at - 1.0, 0.0

    def _settled(self, now: "float") -> "List[List[Cell]]":
        cells = self.all_cells()
        growing = [cell for cell in cells if cell.last + cell.gap + REACH >= now]
        done = []
        if len(growing) < len(cells):
            for root, members in arrange.groups(cells, self.rules):
                quiet = not any(member in growing for member in members)
                late = now - max(cell.last for cell in members) > LONGEST_WAIT
                if quiet and (late or arrange.independent(root, growing, self.rules)):
                    done.append(members)
        done.sort(key=_end)
        self._remove(done)
        if self.count > MOST_CELLS:
            done += self.finish()
        ends = [cell.last + cell.gap + REACH for cell in growing]
        self.due = max(now + PATIENCE, min(ends, default=now))
        return done

    def finish(self) -> "List[List[Cell]]":
        done = sorted((members for _, members in arrange.groups(self.all_cells(), self.rules)), key=_end)
        self.cells, self.count, self.due = {}, 0, 0.0
        return done

    def _remove(self, done: "List[List[Cell]]") -> "None":
        for cell in (cell for members in done for cell in members):
            self.cells[cell.place].remove(cell)
            self.count -= 1
            if not self.cells[cell.place]:
                del self.cells[cell.place]


def _end(members: "List[Cell]") -> "float":
    return max(cell.last for cell in members)


class Grouper:
    """Events in, groups out: one lane for each host and clock."""

    def __init__(self, rules: "Optional[Dict[str, Any]]" = None, keep: "Optional[int]" = None) -> "None":
        self.rules = table("groups") if rules is None else rules
        self.keep = keep
        self.lanes: "Dict[LaneKey, Lane]" = {}
        self.names = Names()
        self._last: "Dict[Optional[str], Tuple[str, float, str]]" = {}

    def add(self, event: "Event") -> "Iterator[Group]":
        self.names.learn(event)
        weight = judge(event)
        if weight is None:
            return
        clock, at = self._moment(event)
        key = event.host, clock
        lane = self.lanes.get(key)
        if lane is None:
            lane = self.lanes[key] = self._lane(event.host, clock, at)
        for members in lane.advance(at):
            yield from self._group(members, lane)
        lane.add(event, weight, at)

    def _lane(self, host: "Optional[str]", clock: "str", at: "float") -> "Lane":
        lane = self.lanes.pop((host, NO_CLOCK), None)
        if lane is None:
            return Lane(host, clock, self.rules, self.keep)
        lane.move_to(clock, at)
        return lane

    def finish(self) -> "Iterator[Group]":
        for lane in self.lanes.values():
            for members in lane.finish():
                yield from self._group(members, lane)

    def _moment(self, event: "Event") -> "Tuple[str, float]":
        """An event without a time follows the one before it: at once if it repeats it, else a second later."""
        if event.moment is not None:
            clock, at = event.moment
        else:
            clock, at, token = self._last.get(event.host, (NO_CLOCK, 0.0, event.token))
            at += token != event.token
        self._last[event.host] = clock, at, event.token
        return clock, at

    def _group(self, members: "List[Cell]", lane: "Lane") -> "Iterator[Group]":
        if not arrange.lonely(members, self.rules):
            yield Group(members, lane.clock, self.names, self.rules)


def stream(
    events: "Iterable[Event]", rules: "Optional[Dict[str, Any]]" = None, keep: "Optional[int]" = None
) -> "Iterator[Group]":
    """The groups of these events, each as soon as it is complete. Numbers the events in the order they come."""
    grouper = Grouper(rules, keep)
    for index, event in enumerate(events):
        event.index = index
        yield from grouper.add(event)
    yield from grouper.finish()
