"""The fake NVML library through the real Python binding: each card's shape, what it refuses, how GPUs get lost."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import pytest

from tests.lab.nvml import shapes
from tests.lab.nvml.state import Nvml

if TYPE_CHECKING:
    from tests.lab.gpu_fixtures import MakeGpus, OpenNvml
    from tests.lab.nvml.build import Stub

MIB = 1024 * 1024
SHAPES = {
    "H100": (shapes.h100, "NVIDIA H100 80GB HBM3", 81559, 18),
    "H200": (shapes.h200, "NVIDIA H200", 143771, 18),
    "A100": (shapes.a100, "NVIDIA A100-SXM4-80GB", 81920, 12),
    "B200": (shapes.b200, "NVIDIA B200", 183359, 18),
    "L40S": (shapes.l40s, "NVIDIA L40S", 46068, 0),
    "V100": (shapes.v100, "Tesla V100-SXM2-32GB", 32768, 6),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_through_the_real_binding(nvml_session: OpenNvml, shape: str) -> None:
    make, name, memory, links = SHAPES[shape]
    s = nvml_session(make())
    nvml, state = s.nvml, s.gpus.state
    assert nvml.nvmlDeviceGetCount() == 8
    assert nvml.nvmlSystemGetDriverVersion() == "580.173.02"
    assert nvml.nvmlSystemGetCudaDriverVersion_v2() == 13000
    for index, gpu in enumerate(state.gpus):
        handle = s.handle(index)
        assert nvml.nvmlDeviceGetName(handle) == name
        assert nvml.nvmlDeviceGetUUID(handle) == gpu.uuid
        assert nvml.nvmlDeviceGetSerial(handle) == gpu.serial
        assert nvml.nvmlDeviceGetMinorNumber(handle) == index
        assert nvml.nvmlDeviceGetIndex(handle) == index
        assert nvml.nvmlDeviceGetPciInfo(handle).busId == gpu.bus_id
        assert nvml.nvmlDeviceGetPciInfo(handle).busIdLegacy == gpu.bus_id[4:]
    handle = s.handle(7)
    full = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    assert full.total == memory * MIB == full.used + full.free + full.reserved
    assert (
        nvml.nvmlDeviceGetMemoryInfo(handle).used == full.used + full.reserved
    )  # the first version counts both
    assert nvml.nvmlDeviceGetTemperature(handle, 0) == nvml.nvmlDeviceGetTemperatureV(handle, 0) < 60
    assert nvml.nvmlDeviceGetTemperatureThreshold(handle, 1) < nvml.nvmlDeviceGetTemperatureThreshold(
        handle, 0
    )
    assert nvml.nvmlDeviceGetPowerUsage(handle) < nvml.nvmlDeviceGetEnforcedPowerLimit(handle)
    assert nvml.nvmlDeviceGetClockInfo(handle, 1) < nvml.nvmlDeviceGetMaxClockInfo(handle, 1)
    assert nvml.nvmlDeviceGetEccMode(handle) == [1, 1]
    assert nvml.nvmlDeviceGetTotalEccErrors(handle, 1, 0) == 0
    assert nvml.nvmlDeviceGetCurrentClocksThrottleReasons(
        handle
    ) == nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    active = [link for link in range(18) if s.code(nvml.nvmlDeviceGetNvLinkState, handle, link) == 0]
    assert len(active) == links
    assert all(nvml.nvmlDeviceGetNvLinkState(handle, link) == 1 for link in active)


def test_other_nodes_have_other_cards_and_the_exporter_simulator_the_same() -> None:
    from aami_hpc.testing.dcgm import Simulator

    here, there = shapes.h100(node="gpu-001"), shapes.h100(node="gpu-002")
    assert not {gpu.uuid for gpu in here.gpus} & {gpu.uuid for gpu in there.gpus}
    assert all(str(gpu.uuid) in Simulator(["gpu-002"]).render("gpu-002") for gpu in there.gpus)


@pytest.mark.parametrize(
    ("shape", "call", "arguments"),
    [
        ("H100", "nvmlDeviceGetRetiredPages", (0,)),
        ("H100", "nvmlDeviceGetRetiredPagesPendingStatus", ()),
        ("H100", "nvmlDeviceGetMemoryErrorCounter", (1, 0, 1)),  # an L2 counter of its own
        ("H100", "nvmlDeviceGetTemperatureThreshold", (4,)),
        ("A100", "nvmlDeviceGetMarginTemperature", ()),
        ("A100", "nvmlDeviceGetNvLinkState", (12,)),
        ("B200", "nvmlDeviceGetNvLinkErrorCounter", (0, 0)),
        ("L40S", "nvmlDeviceGetNvLinkState", (0,)),
        ("L40S", "nvmlDeviceGetMigMode", ()),
        ("L40S", "nvmlDeviceGetTemperatureThreshold", (2,)),
        ("V100", "nvmlDeviceGetRemappedRows", ()),
        ("V100", "nvmlDeviceGetRowRemapperHistogram", ()),
        ("V100", "nvmlDeviceGetMigMode", ()),
    ],
)
def test_a_card_says_what_it_does_not_support(
    nvml_session: OpenNvml, shape: str, call: str, arguments: tuple[int, ...]
) -> None:
    s = nvml_session(SHAPES[shape][0]())
    assert s.code(getattr(s.nvml, call), s.handle(), *arguments) == Nvml.NOT_SUPPORTED


def test_nothing_works_before_init_and_after_shutdown(
    nvml_stub: Stub, gpu_state: MakeGpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = ctypes.CDLL(str(nvml_stub.library))
    monkeypatch.setenv("AAMI_FAKE_GPU_STATE", str(gpu_state().path))
    count = ctypes.c_uint()
    assert library.nvmlDeviceGetCount_v2(ctypes.byref(count)) == Nvml.UNINITIALIZED
    assert library.nvmlShutdown() == Nvml.UNINITIALIZED
    assert library.nvmlInit_v2() == library.nvmlInitWithFlags(0) == 0
    assert library.nvmlShutdown() == 0  # the first of two
    handle = ctypes.c_void_p()
    assert library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) == 0
    assert library.nvmlShutdown() == 0
    assert library.nvmlDeviceGetMinorNumber(handle, ctypes.byref(count)) == Nvml.UNINITIALIZED
    assert library.nvmlShutdown() == Nvml.UNINITIALIZED


def test_bad_arguments_are_refused(nvml_session: OpenNvml) -> None:
    s = nvml_session()
    nvml, library, handle, wild = s.nvml, s.library, s.handle(), ctypes.c_void_p(0x1234)
    number, text = ctypes.c_uint(), ctypes.create_string_buffer(16)
    invalid = {
        "no target": library.nvmlDeviceGetCount_v2(None),
        "no handle": library.nvmlDeviceGetMinorNumber(None, ctypes.byref(number)),
        "wild handle": library.nvmlDeviceGetMinorNumber(wild, ctypes.byref(number)),
        "index": s.code(nvml.nvmlDeviceGetHandleByIndex, 8),
        "bus id": s.code(nvml.nvmlDeviceGetHandleByPciBusId, b"not a bus"),
        "sensor": s.code(nvml.nvmlDeviceGetTemperature, handle, 1),
        "threshold": s.code(nvml.nvmlDeviceGetTemperatureThreshold, handle, 8),
        "clock": s.code(nvml.nvmlDeviceGetClockInfo, handle, 4),
        "error type": s.code(nvml.nvmlDeviceGetTotalEccErrors, handle, 2, 0),
        "link": s.code(nvml.nvmlDeviceGetNvLinkState, handle, 18),
        "flags": library.nvmlInitWithFlags(0x80),
    }
    assert invalid == dict.fromkeys(invalid, int(Nvml.INVALID_ARGUMENT))
    assert library.nvmlDeviceGetUUID(handle, text, 16) == Nvml.INSUFFICIENT_SIZE
    assert library.nvmlSystemGetDriverVersion(text, 4) == Nvml.INSUFFICIENT_SIZE
    assert s.code(nvml.nvmlDeviceGetHandleByUUID, b"GPU-none") == Nvml.NOT_FOUND
    assert s.code(nvml.nvmlDeviceGetHandleByPciBusId, b"0000:fe:00.0") == Nvml.NOT_FOUND
    assert s.code(nvml.nvmlDeviceGetMemoryInfo, handle, 0x01000028) == Nvml.ARGUMENT_VERSION_MISMATCH
    assert nvml.nvmlErrorString(15) == "GPU is lost"


@pytest.mark.parametrize("form", ["00000000:{}:00.0", "0000:{}:00.0", "0:{}:0", "{}:00.0"])
def test_a_bus_id_in_any_form_nvml_takes(nvml_session: OpenNvml, form: str) -> None:
    s = nvml_session()
    for bus in ("9D", "9d"):
        handle = s.nvml.nvmlDeviceGetHandleByPciBusId(form.format(bus).encode())
        assert s.nvml.nvmlDeviceGetIndex(handle) == 4


@pytest.mark.parametrize(("fault", "taking"), [("lost", Nvml.GPU_IS_LOST), ("unreachable", Nvml.UNKNOWN)])
def test_a_lost_gpu_keeps_its_place_and_answers_nothing(
    nvml_session: OpenNvml, fault: str, taking: Nvml
) -> None:
    s = nvml_session()
    nvml, uuids = s.nvml, [str(gpu.uuid).encode() for gpu in s.gpus.state.gpus]
    before = s.handle(3)
    s.gpus.fault(fault, gpu=3)
    assert nvml.nvmlDeviceGetCount() == 8
    assert s.code(nvml.nvmlDeviceGetHandleByIndex, 3) == taking
    assert s.code(nvml.nvmlDeviceGetHandleByPciBusId, s.gpus.state.gpus[3].bus_id.encode()) == taking
    for call in (nvml.nvmlDeviceGetUUID, nvml.nvmlDeviceGetMinorNumber, nvml.nvmlDeviceGetPowerUsage):
        assert s.code(call, before) == Nvml.GPU_IS_LOST
    assert nvml.nvmlDeviceGetUUID(s.handle(4)).encode() == uuids[4]  # the others' indices have not moved
    assert s.code(nvml.nvmlDeviceGetHandleByUUID, uuids[2]) == 0
    assert s.code(nvml.nvmlDeviceGetHandleByUUID, uuids[5]) == taking  # the search meets the lost one first


def test_a_removed_gpu_moves_the_others(nvml_session: OpenNvml) -> None:
    s = nvml_session(shapes.h100().with_fault("removed", gpu=3))
    nvml, gpus = s.nvml, s.gpus.state.gpus
    assert nvml.nvmlDeviceGetCount() == 7
    assert nvml.nvmlDeviceGetUUID(s.handle(3)) == gpus[4].uuid
    assert nvml.nvmlDeviceGetMinorNumber(s.handle(3)) == 4
    assert s.code(nvml.nvmlDeviceGetHandleByUUID, str(gpus[3].uuid).encode()) == Nvml.NOT_FOUND
    handle = s.handle(0)
    s.gpus.fault("removed", gpu=0)  # while NVML runs: the count is as it was at its start
    assert nvml.nvmlDeviceGetCount() == 7
    assert s.code(nvml.nvmlDeviceGetName, handle) == Nvml.GPU_IS_LOST


def test_a_gpu_one_may_not_touch(nvml_session: OpenNvml) -> None:
    s = nvml_session(shapes.h100().with_fault("denied", gpu=1))
    assert s.code(s.nvml.nvmlDeviceGetHandleByIndex, 1) == Nvml.NO_PERMISSION
    assert s.code(s.nvml.nvmlDeviceGetHandleByUUID, str(s.gpus.state.gpus[2].uuid).encode()) == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("driver-not-loaded", Nvml.DRIVER_NOT_LOADED),
        ("version-mismatch", Nvml.LIB_RM_VERSION_MISMATCH),
        ("no-permission", Nvml.NO_PERMISSION),
        ("unknown-error", Nvml.UNKNOWN),
    ],
)
def test_nvml_does_not_start(
    nvml_stub: Stub, gpu_state: MakeGpus, monkeypatch: pytest.MonkeyPatch, fault: str, code: Nvml
) -> None:
    library = ctypes.CDLL(str(nvml_stub.library))
    gpus = gpu_state(shapes.h100().with_fault(fault))
    monkeypatch.setenv("AAMI_FAKE_GPU_STATE", str(gpus.path))
    version = ctypes.create_string_buffer(80)
    assert library.nvmlInit_v2() == code
    assert library.nvmlSystemGetNVMLVersion(version, 80) == 0
    assert version.value == b"13.580.173.02"
    gpus.put(shapes.h100())
    assert library.nvmlInit_v2() == library.nvmlShutdown() == 0  # repaired
    gpus.path.unlink()
    assert library.nvmlInit_v2() == Nvml.DRIVER_NOT_LOADED  # a machine without GPUs
