"""What the kernel knows of its clock: adjtimex, which asks no server and changes nothing."""

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Dict, List, Tuple

UNSYNCED, NANO = 0x0040, 0x2000  # STA_UNSYNC, STA_NANO


class _Timex(ctypes.Structure):
    """struct timex: the part we read, and room for the rest."""

    _fields_: "ClassVar[List[Tuple[str, Any]]]" = [  # noqa: RUF012 - ctypes' own way
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 64),
    ]


def read(_ask: "Dict[str, Any]") -> "Dict[str, Any]":
    """{"synced", "offset_s", "max_error_s", "source"}."""
    libc = ctypes.CDLL(None, use_errno=True)
    told = _Timex()
    if libc.adjtimex(ctypes.byref(told)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return {
        "synced": not told.status & UNSYNCED,
        "offset_s": told.offset / (1e9 if told.status & NANO else 1e6),
        "max_error_s": told.maxerror / 1e6,
        "source": "kernel",
    }
