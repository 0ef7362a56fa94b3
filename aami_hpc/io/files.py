"""Files: read with a limit, written whole or not at all, with errors a person can act on."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.errors import PermissionRefused, StorageFault

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_LIMIT = 16 * 1024 * 1024


def read_text(path: Path, limit: int = READ_LIMIT) -> str:
    """The file's text; bytes that are not UTF-8 become U+FFFD."""
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise storage_fault(error, path, "read") from error
    if len(data) > limit:
        raise StorageFault(
            f"{path} is too large to be what it should be",
            cause=f"It holds more than {limit // 1024} KiB",
            hint="Check that the path is right",
        )
    return data.decode("utf-8", "replace")


def write_atomic(path: Path, text: str, *, mode: int = 0o640, keep_previous: bool = False) -> None:
    """Put `text` at `path` in one step: after a crash the old file or the new one is there, never a part.

    The owner and group of an existing file stay. A symbolic link stays, too: what it leads to is written. With
    `keep_previous` the old file is kept beside it as NAME.previous.
    """
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _written_beside(target, text.encode(), mode=mode, owner_of=target) as temporary:
            if keep_previous and target.exists():
                _keep(target)
            os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise storage_fault(error, path, "write") from error


def previous(path: Path) -> Path:
    """Where `write_atomic` keeps the version before."""
    target = Path(os.path.realpath(path))
    return target.with_name(target.name + ".previous")


def storage_fault(error: OSError, path: Path, verb: str) -> StorageFault | PermissionRefused:
    """The error class and advice for what the operating system said."""
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PermissionRefused(
            f"Can't {verb} {path}",
            cause="This user may not",
            hint="Run it as the owner of that file, or with sudo",
        )
    advice = {
        errno.ENOSPC: "Free some space on that file system",
        errno.EDQUOT: "Free some space: this user's quota on that file system is used up",
        errno.EROFS: "That file system is read-only: remount it or choose another path",
        errno.ENOENT: "Check the path",
        errno.EISDIR: "Name a file, not a folder",
    }.get(error.errno or 0, "Check the path and the file system")
    return StorageFault(f"Can't {verb} {path}", cause=error.strerror or str(error), hint=advice)


@contextlib.contextmanager
def _written_beside(target: Path, data: bytes, *, mode: int, owner_of: Path) -> Iterator[str]:
    """A file with the data, safe on disk in the target's folder; removed unless it was given its final name."""
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(handle, mode)
            _take_owner(handle, owner_of)
            stream.write(data)
            stream.flush()
            os.fsync(handle)
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _take_owner(handle: int, owner_of: Path) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        before = owner_of.stat()
        os.fchown(handle, -1, before.st_gid)  # a member of the group may do this much
        os.fchown(handle, before.st_uid, -1)


def _keep(target: Path) -> None:
    """Copy, not link: some file systems have no hard links, and the kernel forbids them to others' files."""
    mode = stat.S_IMODE(target.stat().st_mode)
    kept = previous(target)
    with _written_beside(kept, target.read_bytes(), mode=mode, owner_of=target) as temporary:
        os.replace(temporary, kept)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
