"""Files written whole or not at all: below another name in the same folder, then renamed."""

import errno
import os

OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class Unwritable(OSError):
    """The node's state can't be written or read: the disk is full, read-only, or refuses. The words say which file."""

    def __init__(self, error: "OSError", path: "str") -> "None":
        super().__init__(error.errno, error.strerror or str(error), error.filename or path)


def write_atomic(
    path: "str", data: "bytes", *, fsync: "bool" = True, mode: "int" = 0o644, alone: "bool" = False
) -> "None":
    """After a crash the old file or the new one is there, never a part. Raises OSError, and then the old one is.

    `alone`: every writer of this file holds the same lock. The name beside it is then always the same one, so that
    writers that are killed leave one file behind and not one each.
    """
    folder, name = os.path.split(path)
    beside = "%s/.%s.new" % (folder, name) if alone else "%s/.%s.%d.new" % (folder, name, os.getpid())
    try:
        _put(beside, data, fsync, mode)
        os.rename(beside, path)
    except OSError:
        _forget(beside)
        raise
    if fsync:
        sync_folder(folder)


def _put(path: "str", data: "bytes", fsync: "bool", mode: "int") -> "None":  # noqa: FBT001 - as it was given
    _forget(
        path
    )  # of a writer that was killed; a link that somebody put there goes too, it is never followed
    handle = os.open(path, OPEN_NEW, 0o600)
    try:
        os.fchmod(handle, mode)  # whatever umask this process was given
        write_whole(handle, data)
        if fsync:
            os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(handle: "int", data: "bytes") -> "None":
    """One write; what could not be written in full is an error, also where the kernel does not say which."""
    if os.write(handle, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _forget(path: "str") -> "None":
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EROFS):
            raise


def sync_folder(path: "str") -> "None":
    """Make names that were made or changed in a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: "str", mode: "int" = 0o755) -> "None":
    """The folder, with what is missing above it. One that is there keeps its mode."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folder(os.path.dirname(path))
        make_folder(path, mode)
        return
    os.chmod(path, mode)
