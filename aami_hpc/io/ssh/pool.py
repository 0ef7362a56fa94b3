"""All connections of one run: one per host, a limited number at once, results as they come."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncssh

from aami_hpc.io.ssh.doors import Doors
from aami_hpc.io.ssh.host import Host
from aami_hpc.io.ssh.limits import Limits
from aami_hpc.io.ssh.outcome import Failed, Outcome
from aami_hpc.io.ssh.plan import Local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self

    from aami_hpc.io.ssh.options import SshOptions, Target

    Work = Callable[[Host], Awaitable[Outcome]]

_DISTINCT = 64  # outputs remembered to recognise equal ones


class SshPool:
    """Connections to hosts, for the length of an `async with` block.

    A host keeps its connection for the whole block, so that a second step finds it open, unless the place is
    needed for another host.
    """

    def __init__(self, options: SshOptions, *, local: Local | None = None) -> None:
        asyncssh.set_log_level("CRITICAL")  # what it has to say reaches people as outcomes
        self.limits = Limits(options)
        self._options = options
        self._doors = Doors(options, self.limits, local or Local.here())
        self._slots = asyncio.Semaphore(self.limits.connections)
        self._waiting = 0  # for a slot
        self._idle: OrderedDict[Target, asyncssh.SSHClientConnection] = OrderedDict()
        self._open: set[asyncssh.SSHClientConnection] = set()
        self._outputs: OrderedDict[bytes, bytes] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave every host; after a failure at once. What still runs there ends when it sees our side go."""
        for connection in self._open:
            if error is None:
                connection.close()
            else:
                connection.abort()
        await asyncio.gather(*(one.wait_closed() for one in self._open))
        self._open.clear()
        await self._doors.close()

    @property
    def remarks(self) -> list[str]:
        """What was lowered, left out or noticed."""
        return [*self.limits.remarks, *self._doors.remarks]

    @contextlib.asynccontextmanager
    async def host(self, target: Target) -> AsyncIterator[Host]:
        """One host, connected; `Failed` when it can't be."""
        connection = await self._place(target)
        async with self._connected(target, connection) as host:
            yield host

    async def one(self, target: Target, work: Work) -> Outcome:
        """Do the work on one host. Its clock does not run while the host waits for a place."""
        connection = await self._place(target)
        began = time.monotonic()
        try:
            async with self._connected(target, connection) as host:
                outcome = await work(host)
        except Failed as failed:
            outcome = failed.outcome(target.name)
        return replace(outcome, seconds=time.monotonic() - began)

    async def each(self, targets: Iterable[Target], work: Work) -> AsyncIterator[Outcome]:
        """Do the work on every host; outcomes come in the order in which hosts are done.

        No more work is begun than there may be connections, so ten thousand hosts do not mean ten thousand
        buffers; equal outputs are one object.
        """
        waiting = iter(targets)
        done: asyncio.Queue[asyncio.Task[Outcome]] = asyncio.Queue()
        running: set[asyncio.Task[Outcome]] = set()

        def begin() -> None:
            for target in waiting:
                task = asyncio.ensure_future(self.one(target, work))
                task.add_done_callback(done.put_nowait)
                running.add(task)
                return

        for _ in range(self.limits.connections):
            begin()
        try:
            while running:
                task = await done.get()
                running.discard(task)
                begin()
                yield self._shared(task.result())
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _place(self, target: Target) -> asyncssh.SSHClientConnection | None:
        """The host's open connection, or None and a place for one."""
        found = self._idle.pop(target, None)
        if found is not None and not found.is_closed():
            return found
        if found is not None:
            self._leave(found)
        if self._slots.locked() and self._idle:
            self._leave(self._idle.popitem(last=False)[1])
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        return None

    @contextlib.asynccontextmanager
    async def _connected(
        self, target: Target, connection: asyncssh.SSHClientConnection | None
    ) -> AsyncIterator[Host]:
        if connection is None:
            try:
                connection = await self._doors.open(target)
            except BaseException:
                self._slots.release()
                raise
            self._open.add(connection)
        try:
            yield Host(target.name, connection, self._options, self.limits)
        finally:
            if self._waiting or connection.is_closed():
                self._leave(connection)
            else:
                self._idle[target] = connection

    def _leave(self, connection: asyncssh.SSHClientConnection) -> None:
        connection.close()
        self._open.discard(connection)
        self._slots.release()

    def _shared(self, outcome: Outcome) -> Outcome:
        """The outcome with outputs that equal outcomes share."""
        return replace(
            outcome,
            stdout=self._same(outcome.stdout),
            stderr=self._same(outcome.stderr),
            noise=self._same(outcome.noise),
        )

    def _same(self, output: bytes) -> bytes:
        kept = self._outputs.setdefault(output, output)
        self._outputs.move_to_end(output)
        if len(self._outputs) > _DISTINCT:
            self._outputs.popitem(last=False)
        return kept
