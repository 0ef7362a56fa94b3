"""Files: read with a limit, written whole or not at all, with errors a person can act on."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from typing import TYPE_CHECKING

from aami_hpc.errors import PermissionRefused, StorageFault

if TYPE_CHECKING:
    from pathlib import Path

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

    The owner and group of an existing file stay. With `keep_previous` the old file is kept as NAME.previous.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, mode)
            _keep_owner(path, temporary)
            if keep_previous and path.exists():
                _link_previous(path)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise storage_fault(error, path, "write") from error


def previous(path: Path) -> Path:
    """Where `write_atomic` keeps the version before."""
    return path.with_name(path.name + ".previous")


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
        errno.EROFS: "That file system is read-only: remount it or choose another path",
        errno.ENOENT: "Check the path",
        errno.EISDIR: "Name a file, not a folder",
    }.get(error.errno or 0, "Check the path and the file system")
    return StorageFault(f"Can't {verb} {path}", cause=error.strerror or str(error), hint=advice)


def _keep_owner(path: Path, temporary: str) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        before = path.stat()
        os.chown(temporary, before.st_uid, before.st_gid)


def _link_previous(path: Path) -> None:
    target = previous(path)
    spare = target.with_name(f".{target.name}.{os.getpid()}")
    os.link(path, spare)
    os.replace(spare, target)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
