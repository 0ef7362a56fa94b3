"""The status as a document: one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.render.document import Fact, Facts, Heading, Paragraph, Steps, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from aami_hpc.actions.status import OutOfService, StateGroup, Status
    from aami_hpc.render.document import Block, Cell, Document

_AGES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))  # seconds of each unit, largest first
_THIS_MACHINE = ("name", "os", "gpus", "gpu_model")


def page(status: Status) -> Document:
    """The judgement first, then what it rests on."""
    return tuple(_blocks(status))


def _blocks(status: Status) -> Iterator[Block]:
    nameless = "A cluster whose name is not known" if status.present else "No cluster"
    yield Heading(f"Cluster {status.name}" if status.name else nameless)
    yield Paragraph(_judgement(status))
    yield Facts(tuple(_facts(status)))
    if status.states:
        rows = tuple(map(_state, status.states))
        yield Table(("state", "count", "nodes"), rows, "Nodes by state")
    if status.down:
        yield _table("Down", status.down, status.now)
    if status.drained:
        yield _table("Drained", status.drained, status.now)
    yield Steps(tuple(_next(status)))


def _judgement(status: Status) -> Text:
    if not status.present:
        return Text("No Slurm on this machine: only this machine is shown.", "warn")
    if status.silent:
        return Text(f"{status.silent}.", "bad")
    troubles = [
        *(f"controller {one.host} is down" for one in status.controllers if not one.up),
        *_count(status.down, "down"),
        *_count(status.drained, "drained"),
    ]
    if troubles:
        return Text(f"Not healthy: {', '.join(troubles)}.", "bad")
    return Text("Every controller is up, and no node is down or drained.", "good")


def _count(groups: tuple[OutOfService, ...], word: str) -> list[str]:
    count = sum(group.count for group in groups)
    return [f"{count} node{'s' if count != 1 else ''} {word}"] if count else []


def _facts(status: Status) -> Iterator[Fact]:
    if status.name:
        yield Fact("Cluster", status.name, status.name_source)
    yield Fact("Configuration", ", ".join(status.files) or "built-in defaults, no file")
    for one in status.controllers:
        words = f"{one.host} ({one.role}) is {'up' if one.up else 'down'}"
        yield Fact("Controller", Text(words, "good" if one.up else "bad"), "scontrol ping")
    for seen in status.machine:
        if seen.key in _THIS_MACHINE:
            value: Cell = Text(f"unknown: {seen.unknown}", "warn") if seen.unknown else str(seen.value)
            yield Fact(seen.label, value, seen.source)


def _state(group: StateGroup) -> tuple[Cell, ...]:
    if group.trouble:
        return Text(group.state, "bad"), str(group.count), group.nodes
    return Text(group.state, "dim" if group.absent else "plain"), str(group.count), group.nodes


def _table(title: str, groups: tuple[OutOfService, ...], now: datetime) -> Table:
    rows = tuple(
        (group.nodes, group.state, group.reason or "no reason given", group.user or "-", _age(group, now))
        for group in groups
    )
    return Table(("nodes", "state", "reason", "by", "for"), rows, title)


def _age(group: OutOfService, now: datetime) -> str:
    return age((now - group.since).total_seconds()) if group.since else "-"


def age(seconds: float) -> str:
    """The largest unit that fits: `3 h`. A time in the future (a clock is wrong somewhere) is `0 s`."""
    for size, unit in _AGES:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def _next(status: Status) -> Iterator[tuple[str, str]]:
    if not status.files:
        yield "aami-hpc init", "write a configuration"
    if status.drained or status.down:
        yield "aami-hpc nodes list --where state=drain", "all that is known of them"
    yield "aami-hpc look", "what is on this machine"
