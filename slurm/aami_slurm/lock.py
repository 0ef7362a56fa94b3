"""Locks that can't hang a hook: asked for again and again until a deadline, gone with the process that held them.

A lock is inherited by forked children. What is executed loses it; a child that is only forked, and may live longer
than its parent, must close `fds()`.
"""

import errno
import fcntl
import os

from aami_slurm.files import make_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Set, Tuple

    from aami_slurm.clock import Clock

POLL = 0.003  # seconds between two tries
_held: "Set[int]" = set()


class Busy(Exception):  # noqa: N818 - the house's way to name errors
    """Somebody else held the lock until the deadline."""


def fds() -> "Tuple[int, ...]":
    """The descriptors of the locks this process holds."""
    return tuple(_held)


class held:  # noqa: N801 - used as a verb: `with held(path, 1.0, clock):`
    """Holds the lock of this file inside the `with` block. Raises Busy, or OSError where the file can't be made.

    The file is never removed: two processes would then hold two locks of one name.
    """

    def __init__(self, path: "str", wait_s: "float", clock: "Clock") -> "None":
        self._path = path
        self._wait_s = wait_s
        self._clock = clock
        self._handle: "Optional[int]" = None

    def __enter__(self) -> "held":  # noqa: PYI034 - Python 3.6 has no Self
        until = self._clock.mono() + self._wait_s
        while self._handle is None:
            handle = self._open()
            try:
                self._take(handle, until)
                current = _same_file(handle, self._path)
            except BaseException:
                os.close(handle)
                raise
            if current:
                self._handle = handle
                _held.add(handle)
            else:
                os.close(handle)
        return self

    def __exit__(self, *_exception: "object") -> "None":
        handle, self._handle = self._handle, None
        if handle is not None:
            _held.discard(handle)
            fcntl.flock(
                handle, fcntl.LOCK_UN
            )  # closing alone would leave it to children that were forked meanwhile
            os.close(handle)

    def _open(self) -> "int":
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(self._path, flags, 0o600)  # who may open it may hold it: nobody but us
        except FileNotFoundError:
            make_folder(os.path.dirname(self._path))
            return os.open(self._path, flags, 0o600)

    def _take(self, handle: "int", until: "float") -> "None":
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
            else:
                return
            if self._clock.mono() >= until:
                raise Busy("%s is held by another process" % self._path)
            self._clock.sleep(POLL)


def _same_file(handle: "int", path: "str") -> "bool":
    """Whether the locked file still bears its name: somebody may have removed the folder meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
