"""The control of a driver that does not answer: reads what asking it would load, and leaves the device alone."""

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_PIECE = 1 << 20


class NothingToRead(Exception):  # noqa: N818 - the house's way to name errors
    """Neither library nor program is here."""


def read(ask: "Dict[str, Any]") -> "Dict[str, Any]":
    """Bytes read of each file of `nvml` and `nvidia_smi`, from the first to the last."""
    sizes = {}
    for path in (_place(ask["nvml"]), ask["nvidia_smi"]):
        size = None if path is None else _through(path)
        if size is not None:
            sizes[path] = size
    if not sizes:
        raise NothingToRead("neither %s nor %s can be read" % (ask["nvml"], ask["nvidia_smi"]))
    return {"bytes": sizes}


def _place(name: "str") -> "Optional[str]":
    """Where a library is: loading it, as asking would, opens no device. Only starting it does."""
    if "/" in name:
        return name
    try:
        ctypes.CDLL(name)
        with open("/proc/self/maps", "rb") as source:
            lines = source.read().decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    stem = name.partition(".so")[0] + ".so"
    found = [line.split(None, 5)[5] for line in lines if "/" + stem in line]
    return found[0] if found else None


def _through(path: "str") -> "Optional[int]":
    size = 0
    try:
        with open(path, "rb", buffering=0) as source:
            while True:
                piece = source.read(_PIECE)
                if not piece:
                    return size
                size += len(piece)
    except OSError:
        return None  # that is an answer, too: it is not there, and it does not hang
