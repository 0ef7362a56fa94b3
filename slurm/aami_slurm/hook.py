"""What every hook has in common: a supervisor that nothing can hold up, and a worker that does the hook's work.

The supervisor forks the worker into a session of its own and from then on touches neither disk nor driver: it waits
for one answer until the hook's hard limit, and is gone. A worker that sits in the kernel by then is killed, and left
to die when the kernel lets go of it.
"""

import os
import select
import sys
import time

from aami_slurm.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional, Tuple

# Seconds from here to the answer. Starting the launcher and Python comes before that: Slurm sees 4, 8 and 45.
HARD = {"prolog": 3.7, "epilog": 7.7, "health": 44.0}
BLOCK = 78  # the launchers know this one, and take everything else for "let it run"
DEFECT = 70
LATE = 75
CONFIG = 76
ORPHAN = 0.5  # what a worker lives longer than its supervisor's patience
GRACE = 0.1  # for a killed worker to be gone
LONGEST = 600  # bytes of an answer: fits a pipe's atomic write


class Stop(Exception):  # noqa: N818 - the house's way to name errors
    """The hook ends here: exit status and one line for the log."""

    def __init__(self, status: "int", words: "str") -> "None":
        super().__init__(words)
        self.status = status
        self.words = words


def main(name: "str") -> "int":
    """Run one hook to its end, and print its one line if it has one."""
    status, words = supervise(_work_of(name), HARD[name])
    if words:
        sys.stdout.write("aami: %s\n" % words)
        sys.stdout.flush()
    return status


def _work_of(name: "str") -> "Callable[[], Tuple[int, str]]":
    def work() -> "Tuple[int, str]":
        from aami_slurm import node

        here = node.from_environment(name)
        if name == "prolog":
            from aami_slurm import prolog

            return prolog.run(here)
        if name == "epilog":
            from aami_slurm import epilog

            return epilog.run(here)
        from aami_slurm import health

        return health.run(here)

    return work


def supervise(work: "Callable[[], Tuple[int, str]]", limit: "float") -> "Tuple[int, str]":
    """(status, words) of work(), run in a child; a status of our own if it crashes or does not answer in time."""
    until = time.monotonic() + limit
    signal.signal(
        signal.SIGCHLD, signal.SIG_DFL
    )  # ignored, as somebody may have left it, nobody could be waited for
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(work, writer, limit + ORPHAN)
    os.close(writer)
    told = _answer(reader, until)
    if told is None:
        return LATE, _abandon(pid, limit)
    os.close(reader)
    os.waitpid(pid, 0)
    status, _, words = told.partition(b" ")
    if not status.isdigit():
        return DEFECT, "the hook's process ended without an answer"
    return int(status), words.decode("ascii", "replace")


def _answer(reader: "int", until: "float") -> "Optional[bytes]":
    """What the worker wrote before it closed its end; None when the time was over first."""
    told = b""
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return None
        piece = os.read(reader, LONGEST)
        if not piece:
            return told
        told += piece


def _abandon(pid: "int", limit: "float") -> "str":
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + GRACE
    while time.monotonic() < until:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return "no answer within %.1f s: ended" % limit
        time.sleep(0.005)
    return "no answer within %.1f s, and it can't be ended: it waits in the kernel (pid %d)" % (limit, pid)


def _child(work: "Callable[[], Tuple[int, str]]", writer: "int", limit: "float") -> "None":
    """The worker's whole life. Never returns: what stands on the stack above belongs to the supervisor."""
    status, words = DEFECT, ""
    try:
        os.setsid()
        signal.setitimer(
            signal.ITIMER_REAL, limit
        )  # slurmd may have ended the supervisor: nobody else will end us
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.close(nothing)
        status, words = work()
    except Stop as stop:
        status, words = stop.status, stop.words
    except BaseException as error:  # noqa: BLE001 - whatever it is, it becomes one line and lets the job run
        status, words = DEFECT, _defect(error)
    finally:
        from aami_slurm.text import plain

        os.write(writer, ("%d %s" % (status, plain(words, LONGEST - 8))).encode("ascii"))
        os._exit(0)


def _defect(error: "BaseException") -> "str":
    """`KeyError: 'x' at record/book.py:12`: enough to find it, short enough for a log line."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = " at %s:%d" % ("/".join(code.co_filename.rsplit("/", 2)[-2:]), trace.tb_lineno)
        trace = trace.tb_next
    return "%s: %s%s" % (type(error).__name__, error, place)
