"""A probe's own side: a fork that gives up all it inherited, does its work and says one line.

Session, signals, terminal, every descriptor but the one its answer goes through: a lock held by the hook is never
held by a child that outlives it, nor does such a child keep open a pipe that somebody waits on.
"""

import fcntl
import os

from aami_slurm import fast_json
from aami_slurm.signals import signal
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Tuple

WORDS = 300  # characters of an error
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD, signal.SIGUSR1)
_MANY = 4096


def fork(work: "Callable[[Any], Any]", ask: "Any", longest: "float") -> "Tuple[int, int]":
    """(pid, descriptor of the answer) of a child that does work(ask), and lives no longer than so many seconds.

    Signals wait meanwhile: the hook's handlers must not run in the child.
    """
    reader, writer = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    try:
        pid = os.fork()
        if pid == 0:
            _live(work, ask, writer, longest)
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid, reader


def _live(work: "Callable[[Any], Any]", ask: "Any", writer: "int", longest: "float") -> "None":
    """The child's whole life. It never returns: what stands on the stack above belongs to the hook."""
    status = 1
    try:
        os.setsid()
        _forget_signals(longest)
        writer = _keep_only(writer)
        os.chdir("/")
        _be_killable()
        line = _line(work, ask)
        while line:
            line = line[os.write(writer, line) :]
        status = 0
    finally:
        os._exit(status)


def _forget_signals(longest: "float") -> "None":
    signal.set_wakeup_fd(-1)
    for number in range(1, signal.NSIG):
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, longest)  # the hook may have been killed: then nobody else ends us
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _keep_only(writer: "int") -> "int":
    """Close every descriptor but the way back; nothing on the standard three."""
    kept = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 3)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    try:
        taken = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        taken = list(range(_MANY))
    for descriptor in taken:
        if descriptor not in (0, 1, 2, kept):
            try:
                os.close(descriptor)
            except OSError:
                continue  # the one that the list was read through
    return kept


def _be_killable() -> "None":
    """A slurmd protects itself from the kernel's search for memory; a probe is no better than anybody else."""
    try:
        with open("/proc/self/oom_score_adj", "w") as target:
            target.write("0")
    except OSError:
        return  # raised already, and lowering takes a right that we lack: then it is no protection


def _line(work: "Callable[[Any], Any]", ask: "Any") -> "bytes":
    try:
        return (fast_json.dumps({"value": work(ask)}) + "\n").encode("ascii")
    except BaseException as error:  # noqa: BLE001 - whatever it is, it has to become words
        words = plain("%s: %s" % (type(error).__name__, error), WORDS)
        return (fast_json.dumps({"error": words}) + "\n").encode("ascii")
