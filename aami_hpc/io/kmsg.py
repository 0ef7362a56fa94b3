"""The kernel's own buffer, record by record, as /dev/kmsg gives it: what is there now, and no waiting for more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.io.files import storage_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE = Path("/dev/kmsg")
_LONGEST = 8192 * 4  # a read gives one record, and fails if it does not fit


def records(device: Path = DEVICE) -> Iterator[bytes]:
    """Every record in the buffer, the oldest first. Needs the right to read it (root, where dmesg is restricted)."""
    try:
        handle = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise storage_fault(error, device, "read") from error
    try:
        yield from _read(handle, device)
    finally:
        os.close(handle)


def _read(handle: int, device: Path) -> Iterator[bytes]:
    while True:
        try:
            record = os.read(handle, _LONGEST)
        except BrokenPipeError:  # this record was overwritten while we read: the next one is there
            continue
        except BlockingIOError:
            return
        except OSError as error:
            raise storage_fault(error, device, "read") from error
        if not record:
            return
        yield record
