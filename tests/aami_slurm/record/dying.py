"""Runs something in a child that is killed, as by kill -9, at one of its system calls."""

from __future__ import annotations

import fcntl
import os
import signal
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = (
    "open",
    "write",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "mkdir",
    "chmod",
    "fchmod",
    "close",
    "ftruncate",
)
DONE, FAILED = 0, 3


class _Countdown:
    """Kills this process before its N-th call; a write is done in half first if that is wanted."""

    def __init__(self, calls: int, *, half: bool) -> None:
        self.left = calls
        self.half = half

    def wrap(self, module: Any, name: str) -> None:
        real = getattr(module, name)

        def call(*given: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                if name == "write" and self.half:
                    real(given[0], given[1][: len(given[1]) // 2])
                _die()
            return real(*given, **named)

        setattr(module, name, call)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def killed_at(
    work: Callable[[Callable[[str], None]], None], calls: int, *, half: bool
) -> tuple[bool, list[str]]:
    """(whether it was killed, what it had promised by then). `work` is given a function to promise with."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(work, writer, _Countdown(calls, half=half))
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        promised = pipe.read().decode().split()
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != DONE:
        raise AssertionError("the child failed")
    return os.WIFSIGNALED(status), promised


def _child(work: Callable[[Callable[[str], None]], None], writer: int, countdown: _Countdown) -> NoReturn:
    real = os.write
    status = FAILED

    def promise(word: str) -> None:
        real(writer, f"{word} ".encode())

    try:
        for name in CALLS:
            countdown.wrap(os, name)
        countdown.wrap(fcntl, "flock")
        work(promise)
        status = DONE
    except BaseException:  # noqa: BLE001 - nothing of the test's own stack may run in the child
        traceback.print_exc()
    finally:
        os._exit(status)
