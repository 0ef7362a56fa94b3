"""The ports of RDMA devices as sysfs shows them. The files ask the card's firmware, and may wait for it."""

import os

from aami_slurm.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

VALUES = ("state", "phys_state", "rate", "link_layer")


def read(ask: "Dict[str, Any]") -> "List[Dict[str, Any]]":
    """One row per port; none where there is no such device."""
    folder = Places(ask.get("root") or "").sys + "/class/infiniband"
    return [
        dict({"device": device, "port": port}, **_port("%s/%s/ports/%s" % (folder, device, port)))
        for device in _listed(folder)
        for port in _listed("%s/%s/ports" % (folder, device))
    ]


def _port(folder: "str") -> "Dict[str, Any]":
    return {value: _text("%s/%s" % (folder, value)) for value in VALUES}


def _text(path: "str") -> "Optional[str]":
    try:
        with open(path, "rb") as source:
            return source.read(256).decode("ascii", "backslashreplace").strip()
    except OSError:
        return None


def _listed(folder: "str") -> "List[str]":
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
