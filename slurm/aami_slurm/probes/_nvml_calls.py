"""NVIDIA's management library by ctypes: its calls, its structures, and what its answers mean.

A call that a card refuses, or that this release of the library does not have, is None and costs the others nothing.
"""

import ctypes

from aami_slurm.probes import _gpu_rows
from aami_slurm.probes._gpu_rows import NoDriver
from aami_slurm.text import decode, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

# NVML's numbers, as its documentation names them.
SUCCESS, INVALID_ARGUMENT, NOT_FOUND, TOO_SMALL, NO_FUNCTION = 0, 2, 6, 7, 13
LOST = 15
TROUBLE = {
    4: "no-permission", 10: "timeout", 11: "irq-issue", LOST: "gpu-is-lost", 16: "reset-required",
    17: "operating-system", 28: "gpu-not-found", 29: "invalid-state", 999: "unknown-error",
}  # fmt: skip
GONE = (LOST, 16, 28)  # after one of these a GPU is not asked any further
NOT_STARTED = {
    4: "the NVIDIA driver can't be used: no permission",
    9: "the NVIDIA driver is not loaded",
    12: "a library of the NVIDIA driver is missing",
    18: "the NVIDIA driver and its library are of different releases",
}
UNCORRECTED, VOLATILE = 1, 0
SLOWDOWN = 1
RECOVERY_ACTION, SLOWDOWN_MARGIN, REMAPPED = 230, 194, (142, 143, 144, 145)  # of nvmlDeviceGetFieldValues
UNSIGNED, SIGNED = (1, 2, 3), (4, 5)  # kinds of its values
LINKS = 36
MOST_GPUS, MOST_PROCESSES = 128, 4096
UNKNOWN_MEMORY = 0xFFFFFFFFFFFFFFFF
_MARGIN_VERSION = 0x1000008


class NoLibrary(Exception):  # noqa: N818 - the house's way to name errors
    """There is no such library here, or it is another one than it is called."""


class _Pci(ctypes.Structure):
    """Long enough for each version of it; the first six parts are the same in all."""

    _fields_ = [
        ("old_bus_id", ctypes.c_char * 16), ("domain", ctypes.c_uint), ("bus", ctypes.c_uint),
        ("device", ctypes.c_uint), ("device_id", ctypes.c_uint), ("subsystem_id", ctypes.c_uint),
        ("bus_id", ctypes.c_char * 64),
    ]  # fmt: skip


class _Process(ctypes.Structure):
    _fields_ = [
        ("pid", ctypes.c_uint), ("memory", ctypes.c_ulonglong), ("gi", ctypes.c_uint), ("ci", ctypes.c_uint),
    ]  # fmt: skip


class _Value(ctypes.Union):
    _fields_ = [
        ("real", ctypes.c_double), ("uint", ctypes.c_uint), ("ulong", ctypes.c_ulonglong), ("int", ctypes.c_int),
    ]  # fmt: skip


class _Field(ctypes.Structure):
    _fields_ = [
        ("field", ctypes.c_uint), ("scope", ctypes.c_uint), ("timestamp", ctypes.c_longlong),
        ("latency", ctypes.c_longlong), ("kind", ctypes.c_uint), ("code", ctypes.c_int), ("value", _Value),
    ]  # fmt: skip


class _Margin(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint), ("degrees", ctypes.c_int)]


class Library:
    """The library of this node, started."""

    def __init__(self, name: "str") -> "None":
        try:
            self._library = ctypes.CDLL(name)
        except OSError as error:
            raise NoLibrary("%s: %s" % (name, error)) from None
        code = self.call("nvmlInit_v2")
        if code == NO_FUNCTION:
            raise NoLibrary("%s has no nvmlInit_v2" % name)
        if code != SUCCESS:
            raise NoDriver(NOT_STARTED.get(code, "the NVIDIA driver can't be used: NVML error %d" % code))

    def call(self, names: "str", *arguments: "Any") -> "int":
        """NVML's answer by the first of these names that the library has; a release drops and adds some."""
        for name in names.split():
            function = getattr(self._library, name, None)
            if function is not None:
                return int(function(*arguments))
        return NO_FUNCTION

    def text(self, name: "str", *before: "Any") -> "Optional[str]":
        room = ctypes.create_string_buffer(256)
        if self.call(name, *before, room, ctypes.c_uint(len(room))) != SUCCESS:
            return None
        return plain(decode(room.value), 200) or None


class Device:
    """One GPU's handle. `trouble` is set once the GPU turns out to be lost; then it is not asked any further."""

    def __init__(self, library: "Library", handle: "Any") -> "None":
        self._library = library
        self._handle = handle
        self.trouble: "Optional[str]" = None

    def ask(self, names: "str", *arguments: "Any") -> "bool":
        return self.code(names, *arguments) == SUCCESS

    def code(self, names: "str", *arguments: "Any") -> "int":
        if self.trouble is not None:
            return LOST
        code = self._library.call(names, self._handle, *arguments)
        if code in GONE:
            self.trouble = TROUBLE[code]
        return code

    def text(self, name: "str") -> "Optional[str]":
        room = ctypes.create_string_buffer(256)
        if not self.ask(name, room, ctypes.c_uint(len(room))):
            return None
        return plain(decode(room.value), 200) or None

    def number(self, names: "str", *before: "int", kind: "Any" = ctypes.c_uint) -> "Optional[int]":
        value = kind()
        return int(value.value) if self.ask(names, *before, ctypes.byref(value)) else None

    def numbers(self, name: "str", count: "int") -> "Optional[List[int]]":
        values = [ctypes.c_uint() for _ in range(count)]
        return [value.value for value in values] if self.ask(name, *map(ctypes.byref, values)) else None

    def bus_id(self) -> "Optional[str]":
        pci = _Pci()
        if not self.ask("nvmlDeviceGetPciInfo_v3 nvmlDeviceGetPciInfo_v2", ctypes.byref(pci)):
            return None
        return "%04x:%02x:%02x" % (pci.domain, pci.bus, pci.device)

    def fields(self, ids: "Tuple[int, ...]") -> "Dict[int, int]":
        """Values by number; those that are refused are left out."""
        asked = (_Field * len(ids))(*[_Field(field=number) for number in ids])
        if not self.ask("nvmlDeviceGetFieldValues", ctypes.c_int(len(ids)), asked):
            return {}
        told = {}
        for field in asked:
            if field.code == SUCCESS and field.kind in UNSIGNED:
                told[field.field] = field.value.uint if field.kind == 1 else field.value.ulong
            elif field.code == SUCCESS and field.kind in SIGNED:
                told[field.field] = field.value.int
        return told

    def parts(self) -> "Optional[List[Dict[str, Any]]]":
        """The MIG devices, in their order; None while MIG is off."""
        mode = self.numbers("nvmlDeviceGetMigMode", 2)
        if mode is None or mode[0] != 1:
            return None
        found = []
        for index in range(self.number("nvmlDeviceGetMaxMigDeviceCount") or 0):
            handle = ctypes.c_void_p()
            if self.ask("nvmlDeviceGetMigDeviceHandleByIndex", ctypes.c_uint(index), ctypes.byref(handle)):
                part = Device(self._library, handle)
                gi, ci = (part.number("nvmlDeviceGet%sInstanceId" % kind) for kind in ("Gpu", "Compute"))
                found.append({"uuid": part.text("nvmlDeviceGetUUID") or "", "gi": gi, "ci": ci})
        return found

    def remap(self, fields: "Dict[int, int]") -> "Optional[Dict[str, Any]]":
        told = self.numbers("nvmlDeviceGetRemappedRows", len(REMAPPED))
        if told is None and any(number in fields for number in REMAPPED):  # the call refuses where MIG is on
            return _gpu_rows.remap(*[fields.get(number) for number in REMAPPED])
        return None if told is None else _gpu_rows.remap(*told)

    def links(self) -> "List[Dict[str, Any]]":
        found = []
        for link in range(LINKS):
            active = ctypes.c_uint()
            code = self.code("nvmlDeviceGetNvLinkState", ctypes.c_uint(link), ctypes.byref(active))
            if code == SUCCESS:
                found.append({"link": link, "active": active.value == 1})
            elif code in (INVALID_ARGUMENT, NO_FUNCTION):
                break
        return found

    def processes(self, proc: "str") -> "Optional[List[Dict[str, Any]]]":
        room = 32
        while room <= MOST_PROCESSES:
            count, list_ = ctypes.c_uint(room), (_Process * room)()
            names = "nvmlDeviceGetComputeRunningProcesses_v3 nvmlDeviceGetComputeRunningProcesses_v2"
            code = self.code(names, ctypes.byref(count), list_)
            if code == SUCCESS:
                return [self._process(told, proc) for told in list_[: count.value]]
            if code != TOO_SMALL:
                return None
            room = max(room * 2, count.value + 16)
        return None

    def _process(self, told: "Any", proc: "str") -> "Dict[str, Any]":
        memory = None if told.memory == UNKNOWN_MEMORY else told.memory
        name = self._library.text("nvmlSystemGetProcessName", ctypes.c_uint(told.pid))
        return _gpu_rows.process(proc, told.pid, name, memory)

    def slowdown_limit(self, temperature: "Optional[int]", fields: "Dict[int, int]") -> "Optional[int]":
        """Degrees at which the card slows itself down. Newer cards only tell how far away it is."""
        told = self.number("nvmlDeviceGetTemperatureThreshold", SLOWDOWN)
        margin = _Margin(_MARGIN_VERSION)
        if told is not None or temperature is None or SLOWDOWN_MARGIN not in fields:
            return told
        if not self.ask("nvmlDeviceGetMarginTemperature", ctypes.byref(margin)):
            return None
        return temperature + int(margin.degrees) - fields[SLOWDOWN_MARGIN]
