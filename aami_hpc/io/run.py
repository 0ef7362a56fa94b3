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
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_LIMIT = 64 * 1024 * 1024
_GRACE = 0.5  # seconds between SIGKILL and giving the process up
_CHUNK = 65536
_left_behind: list[subprocess.Popen[bytes]] = []  # SIGKILL did not end them yet


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended. `status` is None when it was not found or was ended by us; -N means signal N."""

    argv: tuple[str, ...]
    status: int | None
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    missing: bool = False
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """It ended well and all it said is here: a cut answer must not pass for a whole one."""
        return self.status == 0 and not self.truncated

    @property
    def why(self) -> str:
        """One line for an error's cause."""
        program = self.argv[0]
        if self.missing:
            return f"{program} was not found or can't be executed"
        if self.truncated:
            return f"{program} printed more than we are ready to read"
        if self.timed_out or self.status is None:
            return f"{program} did not answer in time"
        said = (self.stderr or self.stdout).strip().splitlines()
        ended = f"with status {self.status}" if self.status >= 0 else f"by signal {-self.status}"
        return f"{program} ended {ended}" + (f": {said[-1]}" if said else "")


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
        """Run one program to its end, its deadline or its output limit (bytes, for each of the two pipes)."""
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
        _bury_left_behind()
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
    pipes = [pipe for pipe in (process.stdout, process.stderr) if pipe]
    kept: dict[int, bytearray] = {pipe.fileno(): bytearray() for pipe in pipes}
    whole = _read(pipes, kept, deadline, limit)
    truncated = any(len(buffer) > limit for buffer in kept.values())
    status = _wait(process, deadline) if whole else _peek(process)
    out, err = (bytes(buffer[:limit]).decode("utf-8", "replace") for buffer in kept.values())
    return Completed(argv, status, out, err, timed_out=status is None and not truncated, truncated=truncated)


def _read(pipes: list[IO[bytes]], kept: dict[int, bytearray], deadline: float, limit: int) -> bool:
    """Fill `kept` until both pipes close (True), or the deadline passes or one holds too much (False)."""
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                return False
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                kept[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
                if len(kept[key.fd]) > limit:
                    return False
    return True


def _wait(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        return None


def _peek(process: subprocess.Popen[bytes]) -> int | None:
    """The status of a program that has ended by itself, without releasing its pid: `_end` still needs it."""
    try:
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # whoever embeds us ignores SIGCHLD
        return None
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group of a program that was not waited for; leave it if even that does not end it.

    Also when only its children live on, with its pipes: its pid is not released, so the group is still its own.
    """
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        _left_behind.append(process)


def _bury_left_behind() -> None:
    """Release the pids of programs that have ended after all."""
    for process in tuple(_left_behind):
        if process.poll() is not None:
            with contextlib.suppress(ValueError):  # another thread was faster
                _left_behind.remove(process)
