"""The PCI config space of GPUs from sysfs: it tells whether a device answers, without its driver. Read in the hook itself."""

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable

    from aami_slurm.places import Places

NVIDIA, DISPLAY = "0x10de", "0x03"
AGAIN = 0.1  # seconds
HEADER = 64  # bytes: what every device has, and anybody may read
_IN_BUS_IDS = frozenset("0123456789abcdefABCDEF:.")


def read_all(places: "Places", bus_ids: "Iterable[str]") -> "Dict[str, Dict[str, Any]]":
    """{bus id: {"present", "config": hex, "error"}} of devices named dddd:bb:dd, function 0 if none is named."""
    rows = {bus_id: _row(places, bus_id) for bus_id in bus_ids}
    silent = [bus_id for bus_id, row in rows.items() if not is_there(row)]
    if silent:
        time.sleep(AGAIN)  # a device that is being reset is silent for moments
        rows.update((bus_id, _row(places, bus_id)) for bus_id in silent)
    return rows


def is_there(told: "Dict[str, Any]") -> "bool":
    """Whether the device answered: a bus reads all ones for one that doesn't."""
    config = told.get("config")
    return bool(told.get("present")) and isinstance(config, str) and bool(config.strip("fF"))


def has_gpus(places: "Places") -> "bool":
    """Whether the bus has a display or 3D controller of NVIDIA's. What sysfs says of it was read at boot."""
    folder = "%s/bus/pci/devices" % places.sys
    try:
        devices = os.listdir(folder)
    except OSError:
        return False
    return any(
        _word(folder, name, "vendor") == NVIDIA and _word(folder, name, "class").startswith(DISPLAY)
        for name in devices
    )


def _word(folder: "str", device: "str", name: "str") -> "str":
    try:
        with open("%s/%s/%s" % (folder, device, name), "rb") as source:
            return source.read(16).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _row(places: "Places", bus_id: "str") -> "Dict[str, Any]":
    if not isinstance(bus_id, str) or not bus_id or not _IN_BUS_IDS.issuperset(bus_id):
        return {"present": True, "config": None, "error": "no bus id: %r" % (bus_id,)}
    folder = "%s/bus/pci/devices" % places.sys
    device = "%s/%s" % (folder, (bus_id if "." in bus_id else bus_id + ".0").lower())
    try:
        config = _read(device + "/config")
    except FileNotFoundError:
        return _absent(folder, device)
    except OSError as error:
        return {"present": True, "config": None, "error": error.strerror}
    if len(config) < HEADER:
        return {"present": True, "config": None, "error": "only %d bytes" % len(config)}
    return {"present": True, "config": config.hex(), "error": None}


def _absent(folder: "str", device: "str") -> "Dict[str, Any]":
    """No such device, as long as there are any: a sysfs that isn't mounted proves nothing."""
    if os.path.isdir(device) or not os.path.isdir(folder):
        return {"present": True, "config": None, "error": "sysfs does not show it"}
    return {"present": False, "config": None, "error": None}


def _read(path: "str") -> "bytes":
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, HEADER)
    finally:
        os.close(descriptor)
