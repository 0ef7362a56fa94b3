"""A host we are logged in to: runs scripts and receives files over its one connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import asyncssh

from aami_hpc.io.ssh.faults import last_words
from aami_hpc.io.ssh.outcome import Kind, Outcome
from aami_hpc.io.ssh.script import line
from aami_hpc.io.ssh.session import Conversation, Session

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import PurePosixPath

    from aami_hpc.io.ssh.limits import Limits
    from aami_hpc.io.ssh.options import SshOptions
    from aami_hpc.io.ssh.payload import Payload

_SLOWEST = 64 * 1024  # bytes a second below which the host gives an upload up by itself


class Host:
    """One connected host. Every call gives an outcome; nothing a host does raises."""

    def __init__(
        self, name: str, connection: asyncssh.SSHClientConnection, options: SshOptions, limits: Limits
    ) -> None:
        self.name = name
        self._connection = connection
        self._options = options
        self.limits = limits

    @property
    def connected(self) -> bool:
        return not self._connection.is_closed()

    async def run(
        self, script: str, *, timeout: float | None = None, limit: int | None = None, sudo: bool | None = None
    ) -> Outcome:
        """Run a POSIX sh script; it and all its children are ended when the time is over.

        Its standard input is empty. Words in it that come from outside must have gone through `shlex.quote`.
        """
        timeout = self._options.command_timeout if timeout is None else timeout
        return await self._converse(script, timeout, timeout, limit=limit, sudo=sudo)

    async def upload(
        self, payload: Payload, target: PurePosixPath, *, mode: int = 0o644, sudo: bool | None = None
    ) -> Outcome:
        """Put a file in place in one step. What was there stays until the new one is whole and checked."""
        silence = self._options.command_timeout
        async with self.limits.uploads:
            found = await self._converse(
                payload.receiver(target, mode),
                silence,
                silence + payload.size / _SLOWEST,
                sudo=sudo,
                feed=payload.chunks(),
            )
        if found.kind is Kind.COMMAND_FAILED:
            return _but(found, Kind.TRANSFER_FAILED, _complaint(found.stderr) or found.detail)
        if found.ok and found.text.strip() != payload.digest:
            return _but(found, Kind.TRANSFER_FAILED, "The host did not confirm the checksum")
        return found

    async def _converse(
        self,
        script: str,
        patience: float,
        most: float,
        *,
        limit: int | None = None,
        sudo: bool | None = None,
        feed: AsyncGenerator[bytes, None] | None = None,
    ) -> Outcome:
        began = time.monotonic()
        sudo = self._options.sudo if sudo is None else sudo
        written = line(script, timeout=most, sudo=sudo, feeds=feed is not None)
        session = Session(written.mark, self._options.output_limit if limit is None else limit)
        conversation = Conversation(session)
        try:
            await conversation.hold(self._connection, written, timeout=patience, feed=feed)
        except (OSError, asyncssh.Error) as error:  # the channel was refused, or is gone in the middle
            session.lost = session.lost or error
        kind, detail = _judge(conversation, sudo=sudo)
        return Outcome(
            self.name,
            kind,
            detail,
            status=session.out.status,
            stdout=bytes(session.out.body),
            stderr=bytes(session.err.body),
            noise=bytes(session.out.noise),
            truncated=session.out.truncated or session.err.truncated,
            seconds=time.monotonic() - began,
        )


def _judge(conversation: Conversation, *, sudo: bool) -> tuple[Kind, str]:
    """What the end of a conversation means."""
    session = conversation.session
    if session.out.status is not None:
        return _ended(session, session.out.status)
    if conversation.timed_out:
        return Kind.COMMAND_TIMEOUT, _overdue(conversation)
    if session.lost is not None:
        return _broken(session, session.lost)
    if session.out.began:
        return Kind.COMMAND_FAILED, f"Ended by signal {session.signal or 'KILL'}"
    said = _said(bytes(session.err.noise)) or _said(bytes(session.out.noise))
    if sudo and "shell" in session.out.words:
        return Kind.SUDO_REFUSED, said
    return Kind.NO_SHELL, said or _silent(session)


def _broken(session: Session, error: Exception) -> tuple[Kind, str]:
    if isinstance(error, asyncssh.ChannelOpenError):
        return Kind.NO_SHELL, f"The host refuses to run commands: {last_words(error.reason)}"
    return Kind.CONNECTION_LOST, "While a command ran" if session.out.began else "Before a command ran"


def _ended(session: Session, status: int) -> tuple[Kind, str]:
    if status == 0:
        return Kind.OK, ""
    said = _said(bytes(session.err.body)) or _said(bytes(session.out.body))
    return Kind.COMMAND_FAILED, f"Status {status}: {said}" if said else f"Status {status}"


def _overdue(conversation: Conversation) -> str:
    if not conversation.session.out.began:
        return "The login shell did not get as far as our command: a home directory or login script may hang"
    if conversation.survived:
        return "It was ended, but the host did not confirm that it is gone"
    return "It was ended"


def _silent(session: Session) -> str:
    return f"The login shell ended with status {session.exit_status} and said nothing"


def _said(stream: bytes) -> str:
    return last_words(stream.decode("utf-8", "replace"))


def _complaint(stderr: bytes) -> str:
    """Our own last line, with the reason the system gave on the line before."""
    *before, ours = stderr.decode("utf-8", "replace").strip().splitlines() or [""]
    reason = before[-1].rpartition(": ")[2] if before else ""
    return last_words(f"{ours}: {reason}" if reason else ours)


def _but(outcome: Outcome, kind: Kind, detail: str) -> Outcome:
    return Outcome(
        outcome.name, kind, detail, status=outcome.status, stderr=outcome.stderr, seconds=outcome.seconds
    )
