"""Run a program: an argument list, a deadline, bounded output, and never a wait that can't end.

A program that ignores SIGKILL (it sleeps in the kernel) is left behind and said to have timed out: waiting
for it would hang us with it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_LIMIT = 64 * 1024 * 1024
_GRACE = 0.5  # seconds between SIGKILL and giving the process up
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended. `status` is None when it was not found or did not end in time."""

    argv: tuple[str, ...]
    status: int | None
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    missing: bool = False
    truncated: bool = False

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def why(self) -> str:
        """One line for an error's cause."""
        program = self.argv[0]
        if self.missing:
            return f"{program} was not found or can't be executed"
        if self.timed_out:
            return f"{program} did not answer in time"
        said = (self.stderr or self.stdout).strip().splitlines()
        return f"{program} ended with status {self.status}" + (f": {said[-1]}" if said else "")


class Runner(Protocol):
    """Runs programs. Tests pass `aami_hpc.testing.FakeRunner`."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Completed:
        """Run one program to its end, its deadline or its output limit."""
        ...


class SystemRunner:
    """Runs programs on this machine, in a session of their own, with nothing on standard input."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Completed:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(env) if env is not None else None,
                start_new_session=True,
            )
        except OSError:
            return Completed(tuple(argv), None, missing=True)
        try:
            return _collect(tuple(argv), process, time.monotonic() + timeout, limit)
        finally:
            _end(process)
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()


def _collect(
    argv: tuple[str, ...], process: subprocess.Popen[bytes], deadline: float, limit: int
) -> Completed:
    """Read both pipes until they close, the deadline passes or one holds more than `limit` bytes."""
    kept: dict[int, bytearray] = {}
    truncated = False
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                kept[pipe.fileno()] = bytearray()
                selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                    continue
                room = limit - len(kept[key.fd])
                kept[key.fd] += chunk[: max(room, 0)]
                truncated = truncated or len(chunk) > room
    status = _wait(process, deadline)
    out, err = (bytes(buffer).decode("utf-8", "replace") for buffer in kept.values())
    return Completed(argv, status, out, err, timed_out=status is None, truncated=truncated)


def _wait(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the program's process group; give it up if even that does not end it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
