"""One command on one connection: sends what it reads, keeps what it prints, ends it when its time is over."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncssh

from aami_hpc.io.ssh.frames import Frames

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aami_hpc.io.ssh.script import Line

_AFTERLIFE = 4.0  # seconds the host has to end a command whose time is over (it needs one)
_WINDOW = 256 * 1024  # bytes in flight; what we keep is bounded by the frames


class Session(asyncssh.SSHClientSession[bytes]):
    """Listens to one channel. `over` is set when both streams carry their last mark, or the channel is gone."""

    def __init__(self, mark: bytes, limit: int) -> None:
        self.out = Frames(mark, limit)
        self.err = Frames(mark, limit)
        self.over = asyncio.Event()
        self.closed = asyncio.Event()
        self.lost: Exception | None = None
        self.signal = ""
        self.exit_status: int | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        (self.err if datatype == asyncssh.EXTENDED_DATA_STDERR else self.out).feed(data)
        if self.out.ended and self.err.ended:
            self.over.set()

    def eof_received(self) -> bool:
        return True  # our side stays open: its end is the sign for the host to end the command

    def exit_status_received(self, status: int) -> None:
        self.exit_status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: ARG002, FBT001
        self.signal = signal

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        self.out.close()
        self.err.close()
        self.over.set()
        self.closed.set()
        self._writable.set()

    async def room(self) -> None:
        """Wait until the channel takes more."""
        await self._writable.wait()


class Conversation:
    """A session with its channel, and how it ended."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.timed_out = False
        self.survived = False  # it was still there after we had ended it

    async def hold(
        self,
        connection: asyncssh.SSHClientConnection,
        line: Line,
        *,
        timeout: float,
        feed: AsyncGenerator[bytes, None] | None = None,
    ) -> None:
        """Run the line. The time limit counts silence of the channel while we feed, and the whole run else."""
        channel: Any = None
        try:
            channel, _ = await asyncio.wait_for(
                connection.create_session(
                    lambda: self.session, line.command, encoding=None, request_pty=False, window=_WINDOW
                ),
                timeout,
            )
            if feed is not None:
                await self._feed(channel, feed, timeout)
            await asyncio.wait_for(self.session.over.wait(), timeout)
        except asyncio.TimeoutError:
            self.timed_out = True
            if channel is not None:
                await self._end(channel)
        finally:
            if channel is not None:
                channel.close()

    async def _feed(self, channel: Any, feed: AsyncGenerator[bytes, None], timeout: float) -> None:
        async with contextlib.aclosing(feed):
            while chunk := await asyncio.wait_for(anext(feed, b""), timeout):
                await asyncio.wait_for(self.session.room(), timeout)
                if self.session.over.is_set():
                    return  # it has ended early and says why
                channel.write(chunk)
        channel.write_eof()

    async def _end(self, channel: Any) -> None:
        """Close our side, which ends the command on the host, and see whether it did end."""
        with contextlib.suppress(OSError):  # the channel is gone already
            channel.write_eof()
            if not self.session.out.began:
                channel.kill()  # a login shell that hangs knows nothing of our sign; sshd can end it since 7.9
        try:
            await asyncio.wait_for(self.session.closed.wait(), _AFTERLIFE)
        except asyncio.TimeoutError:
            self.survived = True
