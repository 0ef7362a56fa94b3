"""Runs one command of Slurm: an argument list, a deadline, bounded output, and no wait that can't end.

Not `subprocess`: it waits for the program to begin, which a program on a file system that hangs never does.
"""

import contextlib
import os
import select
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, NoReturn, Optional, Tuple

GRACE = 0.05  # seconds for a killed program to be gone; one that sits in the kernel is left behind
NOT_RUN = 127
_CHUNK = 65536
_PAUSE = 0.002


class NoAnswer(Exception):  # noqa: N818 - the house's way to name errors
    """It did not end in time, or said more than we are ready to read."""


class Late(NoAnswer):
    """It did not end in time. What it was to do may have been done."""


def run(argv: "List[str]", env: "Dict[str, str]", until: "float", limit: "int") -> "Tuple[int, bytes, bytes]":
    """(status, output, errors); -N for signal N, 127 for a program that can't be run. `until` is time.monotonic's.

    `limit` is bytes, of output and errors each. Raises NoAnswer; the program is killed with all its children then.
    """
    if time.monotonic() >= until:
        raise Late("%s: no time was left to ask" % argv[0])
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        for descriptor in (out, out_end, err, err_end):
            os.close(descriptor)
        raise NoAnswer("%s: no process: %s" % (argv[0], error.strerror)) from None
    if pid == 0:
        _become(argv, env, out_end, err_end)
    os.close(out_end)
    os.close(err_end)
    said: "Dict[int, bytearray]" = {out: bytearray(), err: bytearray()}
    status = None
    try:
        _read(argv[0], said, until, limit)
        status = _wait(pid, until)
        if status is None:
            raise Late("%s did not end in time" % argv[0])
    finally:
        os.close(out)
        os.close(err)
        if status is None:
            _end(pid)
    return status, bytes(said[out]), bytes(said[err])


def _become(argv: "List[str]", env: "Dict[str, str]", out: "int", err: "int") -> "NoReturn":
    """The child's part: a session of its own, nothing on its input, and then the program."""
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        os.chdir("/")
        os.execve(argv[0], argv, env)  # noqa: S606 - the whole point: no shell
    except OSError as error:
        os.write(2, ("%s: %s" % (argv[0], error.strerror)).encode("utf-8", "backslashreplace"))
    finally:
        os._exit(NOT_RUN)


def _read(program: "str", said: "Dict[int, bytearray]", until: "float", limit: "int") -> "None":
    """Collect until both pipes are closed."""
    open_ones = list(said)
    while open_ones:
        left = until - time.monotonic()
        ready = select.select(open_ones, [], [], left)[0] if left > 0 else []
        if not ready:
            raise Late("%s did not answer in time" % program)
        for descriptor in ready:
            piece = os.read(descriptor, _CHUNK)
            said[descriptor] += piece
            if not piece:
                open_ones.remove(descriptor)
            if len(said[descriptor]) > limit:
                raise NoAnswer("%s said more than %d bytes" % (program, limit))


def _wait(pid: "int", until: "float") -> "Optional[int]":
    """How it ended, or None while it has not."""
    while True:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            raise NoAnswer("how it ended is lost: whoever started us ignores SIGCHLD") from None
        if ended:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if time.monotonic() >= until:
            return None
        time.sleep(_PAUSE)


def _end(pid: "int") -> "None":
    """Kill the whole group: its leader was not waited for, so the number is still its own."""
    for kill in (os.killpg, os.kill):  # the second: it had no time yet to lead a group
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)
    with contextlib.suppress(NoAnswer):
        _wait(pid, time.monotonic() + GRACE)
