"""Reads the GPUs through NVIDIA's management library: no package, and nothing that one card refuses costs the rest.

What a card does not have, or does not tell, is None. A GPU that can't be opened is listed with what is known of it.
"""

import ctypes
import time

from aami_slurm.probes import _gpu_rows
from aami_slurm.probes._gpu_rows import NoDriver
from aami_slurm.probes._nvml_calls import (
    MOST_GPUS,
    NOT_FOUND,
    RECOVERY_ACTION,
    REMAPPED,
    SLOWDOWN_MARGIN,
    SUCCESS,
    TROUBLE,
    UNCORRECTED,
    VOLATILE,
    Device,
    Library,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional

SOURCE = "nvml"


def read(
    name: "str",
    uuids: "Optional[List[str]]" = None,
    bus_ids: "Optional[List[str]]" = None,
    proc: "str" = "/proc",
) -> "Dict[str, Any]":
    """The reading of all GPUs, or of those with these UUIDs; with their bus ids too no other GPU is touched."""
    mono_us = int(time.monotonic() * 1000000)
    library = Library(name)
    found = _by_bus(library, bus_ids, proc) if bus_ids and uuids else _by_index(library, proc)
    gpus = [gpu for gpu in found if uuids is None or gpu["uuid"] is None or gpu["uuid"] in uuids]
    return _gpu_rows.reading(
        SOURCE, library.text("nvmlSystemGetDriverVersion"), mono_us, gpus, whole=uuids is None
    )


def _by_index(library: "Library", proc: "str") -> "Iterator[Dict[str, Any]]":
    count = ctypes.c_uint()
    code = library.call("nvmlDeviceGetCount_v2", ctypes.byref(count))
    if code != SUCCESS:
        raise NoDriver("the NVIDIA driver doesn't tell how many GPUs there are: NVML error %d" % code)
    for index in range(min(count.value, MOST_GPUS)):
        handle = ctypes.c_void_p()
        code = library.call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
        yield _opened(library, handle, code, proc, nvml_index=index)


def _by_bus(library: "Library", bus_ids: "List[str]", proc: "str") -> "Iterator[Dict[str, Any]]":
    for bus_id in bus_ids:
        handle = ctypes.c_void_p()
        address = ctypes.c_char_p(("%s.0" % bus_id).encode("ascii", "replace"))
        code = library.call("nvmlDeviceGetHandleByPciBusId_v2", address, ctypes.byref(handle))
        if code != NOT_FOUND:  # one that is no longer listed is not in the reading, however it was asked for
            yield _opened(library, handle, code, proc, bus_id=bus_id)


def _opened(library: "Library", handle: "Any", code: "int", proc: "str", **known: "Any") -> "Dict[str, Any]":
    if code != SUCCESS:
        return _gpu_rows.row(trouble=TROUBLE.get(code, "nvml-error-%d" % code), **known)
    device = Device(library, handle)
    told: "Dict[str, Any]" = {
        "uuid": device.text("nvmlDeviceGetUUID"),
        "bus_id": device.bus_id(),
        "nvml_index": device.number("nvmlDeviceGetIndex"),
        "minor": device.number("nvmlDeviceGetMinorNumber"),
        "serial": device.text("nvmlDeviceGetSerial"),
        "model": device.text("nvmlDeviceGetName"),
        "vbios": device.text("nvmlDeviceGetVbiosVersion"),
        "mig": device.parts(),
    }
    known.update((key, value) for key, value in told.items() if value is not None)
    known.update(_state(device, proc))
    return _gpu_rows.row(trouble=device.trouble, **known)


def _state(device: "Device", proc: "str") -> "Dict[str, Any]":
    fields = device.fields((RECOVERY_ACTION, SLOWDOWN_MARGIN, *REMAPPED))
    ecc = device.numbers("nvmlDeviceGetEccMode", 2)
    temperature = device.number("nvmlDeviceGetTemperature", 0)
    reasons = "nvmlDeviceGetCurrentClocksEventReasons nvmlDeviceGetCurrentClocksThrottleReasons"
    errors = device.number("nvmlDeviceGetTotalEccErrors", UNCORRECTED, VOLATILE, kind=ctypes.c_ulonglong)
    return {
        "recovery_action": fields.get(RECOVERY_ACTION),
        "ecc_uncorrectable": errors,
        "ecc_mode": None if ecc is None else ecc[0] == 1,
        "remap": device.remap(fields),
        "links": device.links(),
        "processes": device.processes(proc),
        "temperature": temperature,
        "slowdown_limit": device.slowdown_limit(temperature, fields),
        "throttle": device.number(reasons, kind=ctypes.c_ulonglong),
    }
