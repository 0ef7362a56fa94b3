"""Files below a root folder, read so that nothing in them or about them can hurt or hold us.

Only regular files are read, never more than a limit; a pipe put where a file should be does not block. What
can't be read is an answer too: the reason, in words for a person.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

KIB = 1024
_REASONS = {
    errno.ENOENT: "not there",
    errno.ENOTDIR: "not there",
    errno.ESRCH: "it went away",
    errno.EACCES: "this user may not read it",
    errno.EPERM: "this user may not read it",
    errno.ELOOP: "its symbolic links lead in a circle",
}
NOT_THERE = _REASONS[errno.ENOENT]
REFUSED = _REASONS[errno.EACCES]


@dataclass(frozen=True, slots=True)
class Text:
    """The content of a file, or why there is none."""

    words: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """The entries of a folder, sorted, or why there are none."""

    names: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """The file system as seen from `root`. Paths are absolute, as a person would write them."""

    root: Path = Path("/")

    def read(self, path: str, *, limit: int = 64 * KIB, cut: bool = False) -> Text:
        """The text of a regular file. Longer than `limit`: its beginning with `cut`, else a reason."""
        try:
            # Not blocking: opening a named pipe would wait for a writer that may never come.
            handle = os.open(self._real(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            return Text(why=reason(error))
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return Text(why="not a regular file")
            with os.fdopen(handle, "rb", closefd=False) as stream:
                data = stream.read(limit + 1)
        except OSError as error:
            return Text(why=reason(error))
        finally:
            os.close(handle)
        if len(data) > limit and not cut:
            return Text(why=f"it holds more than {limit // KIB} KiB")
        return Text(data[:limit].decode("utf-8", "replace"))

    def names(self, path: str) -> Names:
        """The names in a folder."""
        try:
            return Names(tuple(sorted(entry.name for entry in self._real(path).iterdir())))
        except OSError as error:
            return Names(why=reason(error))

    def link(self, path: str) -> str:
        """Where a symbolic link points, or nothing."""
        try:
            return str(self._real(path).readlink())
        except OSError:
            return ""

    def missing(self, path: str) -> str:
        """Nothing when something is there; else why not: NOT_THERE, or that this user may not see it."""
        try:
            self._real(path).lstat()
        except OSError as error:
            return reason(error)
        return ""

    def exists(self, path: str) -> bool:
        """Whether something is there that this user can see."""
        return not self.missing(path)

    def runs(self, path: str) -> bool:
        """Whether this is a file that somebody may execute."""
        try:
            found = self._real(path).stat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and bool(found.st_mode & 0o111)

    def _real(self, path: str) -> Path:
        return self.root / path.lstrip("/")


def reason(error: OSError) -> str:
    """The operating system's refusal in words for a person."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)
