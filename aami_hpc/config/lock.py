"""One writer at a time: a lock file beside the configuration, waited for, but not for ever."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from aami_hpc.errors import StorageFault
from aami_hpc.io.files import storage_fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 10.0  # seconds; a change takes a fraction of one
_PAUSE = 0.05


@contextlib.contextmanager
def locked(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of the file at `path`. The lock file stays: removing it would let two in."""
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise storage_fault(error, lock, "write") from error
    try:
        _wait(handle, path, patience)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, path: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        except OSError as error:
            raise storage_fault(error, path, "lock") from error
        else:
            return
        if time.monotonic() >= deadline:
            raise StorageFault(
                f"Somebody else has been changing {path} for {patience:g} seconds",
                hint="Try again when the other aami-hpc has ended",
            )
        time.sleep(_PAUSE)
