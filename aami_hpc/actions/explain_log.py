"""`explain log`: the fault groups of kernel logs, the newest last.

The JSON has the keys `events` (`kind, code, bus_id, mig, pid, process, bystander, channel, caused_by, time, time_kind,
fields, trust, raw` and what else the parser tells), `incidents` (the fault groups: `root, severity, action, gpus, events`
(indices), `summary`, and `title, story, count, first, last, host` beside them), `repeats` and `remarks`.

Text needs memory for the newest groups only; JSON holds every event.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import aami_xid
from aami_hpc.actions.explain_page import document
from aami_hpc.actions.explain_sources import Reading
from aami_hpc.actions.explain_when import here, moment
from aami_hpc.actions.result import Result
from aami_hpc.errors import UsageFault
from aami_hpc.render.document import Paragraph, Text
from aami_xid.device import address
from aami_xid.guide import log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aami_hpc.actions.explain_sources import Source
    from aami_xid.event import Event
    from aami_xid.story import Group

_SHOWN = 200  # groups; older ones are counted


def run(
    sources: Sequence[Source],
    *,
    since: str | None = None,
    until: str | None = None,
    gpu: str | None = None,
    year: int | None = None,
    whole: bool = False,
) -> Result:
    """Read the sources one after the other. `whole` keeps every event, for JSON."""
    now = here()
    begin, end = (moment(text, now) if text else None for text in (since, until))
    reading = Reading(year=year, since=begin)
    events = _within(_events(sources, reading), begin, end, reading)
    bus_id = _bus_id(gpu)
    return _whole(events, bus_id, reading) if whole else _streamed(events, bus_id, reading)


def _events(sources: Sequence[Source], reading: Reading) -> Iterator[Event]:
    for source in sources:
        yield from source(reading)


def _bus_id(gpu: str | None) -> str | None:
    if gpu is None:
        return None
    found, _ = address(gpu.strip())
    if found is None:
        raise UsageFault(
            f"'{gpu}' is no bus id", hint="A GPU's looks like 0000:c1:00 or c1:00 (nvidia-smi -L -q)"
        )
    return found


def _within(
    events: Iterable[Event], begin: float | None, end: float | None, reading: Reading
) -> Iterator[Event]:
    """Events inside the time asked. Those that tell no date stay, and it is said; identities stay in any case."""
    if begin is None and end is None:
        yield from events
        return
    undated = 0
    for event in events:
        dated = event.moment is not None and event.moment[0] == "wall"
        if not dated and event.kind in {"xid", "sxid"}:
            undated += 1
        at = event.moment[1] if dated and event.moment else None
        inside = at is None or ((begin is None or at >= begin) and (end is None or at <= end))
        if inside or event.kind in {"gpu-at", "board-serial", "driver-version"}:
            yield event
    if undated:
        reading.remarks.append(
            f"{log.number(undated, 'line')} without a date could not be told apart by time."
        )


def _streamed(events: Iterable[Event], bus_id: str | None, reading: Reading) -> Result:
    newest: deque[Group] = deque(maxlen=_SHOWN)
    groups = needy = lines = 0
    for group in aami_xid.group_stream(events):
        if bus_id is None or bus_id in group.bus_ids:
            newest.append(group)
            groups, needy, lines = groups + 1, needy + group.needs_action, lines + group.count
    shown = _in_time(newest)
    sections = [log.section(group, "aami-hpc") for group in shown]
    repeats = aami_xid.repeats(shown)
    if repeats:
        sections.append(log.repeats(repeats))
    remarks = list(reading.remarks)
    if groups > len(shown):
        remarks.append(f"{groups - len(shown)} older groups are counted but not shown; --json has them all.")
    page = (
        *document(sections),
        *(Paragraph(Text(remark, "warn")) for remark in remarks),
        Paragraph(Text(log.headline(groups, needy, lines), "bad" if needy else "good")),
    )
    return Result(None, page, not needy and not reading.partial)


def _in_time(groups: Iterable[Group]) -> list[Group]:
    """By their last line, where one clock stamped them all; else as they ended in the log."""
    found = list(groups)
    one_clock = len({group.clock for group in found}) == 1
    return sorted(found, key=lambda group: group.last_at) if one_clock else found


def _whole(events: Iterable[Event], bus_id: str | None, reading: Reading) -> Result:
    kept = list(events)
    groups = _in_time(aami_xid.group(kept))
    if bus_id is not None:
        groups = [group for group in groups if bus_id in group.bus_ids]
        wanted = {event.index for group in groups for event in group.events}
        kept = [event for event in kept if event.index in wanted or event.bus_id == bus_id]
        for index, event in enumerate(kept):
            event.index = index
    data: dict[str, Any] = {
        "events": [event.to_dict() for event in kept],
        "incidents": [group.to_dict() for group in groups],
        "repeats": [repeat.to_dict() for repeat in aami_xid.repeats(groups)],
        "remarks": reading.remarks,
    }
    return Result(data, (), not reading.partial and not any(group.needs_action for group in groups))
