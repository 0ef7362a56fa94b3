"""Orders to many nodes over SSH: each node's work, one after the other on one connection, and a report of each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.errors import NodeConflict
from aami_hpc.fleet.nodeset import fold
from aami_hpc.fleet.reach import ssh_options, targets
from aami_hpc.hooks import order
from aami_hpc.hooks.look import Look, Stopped, read
from aami_hpc.hooks.report import of_outcome, of_stopped
from aami_hpc.io.ssh import Host, Kind, Outcome, SshPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from aami_hpc.config import Settings
    from aami_hpc.hooks.report import Report
    from aami_hpc.io.progress import Progress
    from aami_hpc.io.ssh import Local
    from aami_hpc.model.node import Node

    Work = Callable[["Remote"], Awaitable[Report]]


class NotDone(Exception):
    """A node's work can't go on: carries its report to where reports are gathered."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.detail)
        self.report = report


@dataclass(frozen=True, slots=True)
class Way:
    """How nodes are reached. `root` is below which folder of theirs everything is; `{node}` in it is their name."""

    settings: Settings
    progress: Progress
    local: Local | None = None
    root: str = ""

    @property
    def pythons(self) -> tuple[str, ...]:
        given = self.settings.hooks.python
        return (str(given),) if given else order.USUAL

    @property
    def remarks(self) -> list[str]:
        return [f"AAMI_ROOT is set: on the nodes everything is below {self.root}"] if self.root else []


class Remote:
    """One node that we are connected to."""

    def __init__(self, host: Host, way: Way) -> None:
        self.host = host
        self.name = host.name
        self.way = way
        self.root = way.root.format(node=host.name) if way.root else ""

    async def look(self, look_for: Iterable[str] = ()) -> Look:
        """What is there: the one round trip that changes nothing."""
        return await self.order("look", look_for=list(look_for))

    async def order(self, verb: str, look: Look | None = None, **words: Any) -> Look:
        """Have an order carried out, and what is there then. `look` is what was there before."""
        pythons = (look.python,) if look else self.way.pythons
        script = order.script({"verb": verb, "root": self.root, "node": self.name, **words}, pythons)
        outcome = await self.host.run(script)
        if not outcome.ok:
            raise NotDone(of_outcome(self.name, outcome, look))
        answer = read(outcome.text)
        if isinstance(answer, Stopped):
            raise NotDone(of_stopped(self.name, answer, look))
        return answer


def each(
    way: Way, nodes: Sequence[Node], label: str, work: Work, *, changes: bool = True
) -> tuple[list[Report], list[str]]:
    """Do the work on every node; reports in the order of the nodes, and what was noticed on the way."""
    if changes:
        _all_apart(nodes)
    return asyncio.run(_each(way, nodes, label, work))


async def _each(way: Way, nodes: Sequence[Node], label: str, work: Work) -> tuple[list[Report], list[str]]:
    reports: dict[str, Report] = {}

    async def one(host: Host) -> Outcome:
        try:
            reports[host.name] = await work(Remote(host, way))
        except NotDone as stopped:
            reports[host.name] = stopped.report
        return Outcome(host.name, Kind.OK)

    pool = SshPool(ssh_options(way.settings), local=way.local)
    try:
        way.progress.start(label, len(nodes))
        async with pool:
            async for outcome in pool.each(targets(nodes), one):
                reports.setdefault(outcome.name, of_outcome(outcome.name, outcome))
                way.progress.step(outcome.name)
    finally:
        way.progress.finish()
    return [reports[node.name] for node in nodes], [*way.remarks, *pool.remarks]


def _all_apart(nodes: Sequence[Node]) -> None:
    """Two names of one machine would overwrite each other's name there for ever."""
    first: dict[tuple[str, int | None], str] = {}
    for node in nodes:
        other = first.setdefault((node.address, node.ssh_port), node.name)
        if other != node.name:
            raise NodeConflict(
                f"{fold((other, node.name))} are one machine, at {node.address}",
                cause="A machine has one node name, and one generation of hooks",
                hint="Correct their addresses, or name one of them only",
            )
