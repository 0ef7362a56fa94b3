"""What the fake NVML library reads out: errors, links, heat, MIG, processes, every fault, while the state changes."""

from __future__ import annotations

import ctypes
import threading
import time
from typing import TYPE_CHECKING

import pytest

from aami_hpc.testing.dcgm_cards import CARDS
from tests.lab.nvml import shapes
from tests.lab.nvml.faults import GPU_FAULTS
from tests.lab.nvml.state import NO_INSTANCE, Nvml, Process

if TYPE_CHECKING:
    from tests.lab.gpu_fixtures import OpenNvml

MIB = 1024 * 1024


def test_memory_errors_remaps_and_what_the_driver_asks_for(nvml_session: OpenNvml) -> None:
    s = nvml_session(
        shapes.h200().with_fault("ecc-uncorrectable", gpu=1).with_fault("ecc-sram-threshold", gpu=2)
    )
    nvml, bad, sram = s.nvml, s.handle(1), s.handle(2)
    assert (
        nvml.nvmlDeviceGetTotalEccErrors(bad, 1, 0) == nvml.nvmlDeviceGetMemoryErrorCounter(bad, 1, 0, 2) == 1
    )
    assert nvml.nvmlDeviceGetMemoryErrorCounter(bad, 1, 0, 7) == 0
    assert nvml.nvmlDeviceGetRemappedRows(bad) == (0, 1, 1, 0)
    assert nvml.nvmlDeviceGetRowRemapperHistogram(bad).max == 3072
    status = s.structure("c_nvmlEccSramErrorStatus_v1_t", "nvmlEccSramErrorStatus_v1")
    nvml.nvmlDeviceGetSramEccErrorStatus(sram, ctypes.byref(status))
    assert (status.aggregateUncParity, status.bThresholdExceeded) == (11, 1)
    remapped, action = nvml.nvmlDeviceGetFieldValues(bad, [143, 230])
    assert (remapped.nvmlReturn, remapped.value.uiVal) == (0, 1)
    assert (action.nvmlReturn, action.value.uiVal) == (0, 1)
    s.gpus.fault("ecc-off", gpu=1)
    assert s.code(nvml.nvmlDeviceGetTotalEccErrors, bad, 1, 0) == Nvml.NOT_SUPPORTED


def test_field_values_answer_one_by_one(nvml_session: OpenNvml) -> None:
    s = nvml_session(shapes.h100().with_fault("nvlink-errors", gpu=0).with_fault("recovery-unknown", gpu=0))
    nvml = s.nvml
    asked = [4, 31, 82, 91, 194, (161, 0), (165, 17), (161, 18), 230, 52, 0, 9999]
    values = nvml.nvmlDeviceGetFieldValues(s.handle(), asked)
    assert [value.nvmlReturn for value in values] == [0, 3, 0, 0, 0, 0, 0, 2, 3, 0, 2, 2]
    assert values[3].value.uiVal == 18
    assert (values[4].valueType, values[4].value.siVal) == (nvml.NVML_VALUE_TYPE_SIGNED_INT, -2)
    assert values[5].value.ullVal == values[9].value.ullVal == 1200
    assert all(value.timestamp > 0 for value in values)


def test_links_heat_and_fabric(nvml_session: OpenNvml) -> None:
    faulty = shapes.h100().with_fault("nvlink-down", gpu=0).with_fault("hw-thermal", gpu=1)
    s = nvml_session(faulty.with_fault("fabric-not-started", gpu=2))
    nvml, handle = s.nvml, s.handle(0)
    assert [nvml.nvmlDeviceGetNvLinkState(handle, link) for link in (0, 1)] == [0, 1]
    assert s.code(nvml.nvmlDeviceGetNvLinkRemotePciInfo, handle, 0) == Nvml.NOT_SUPPORTED
    assert nvml.nvmlDeviceGetNvLinkRemotePciInfo(handle, 1).busId == "00000000:06:00.0"
    assert nvml.nvmlDeviceGetNvLinkRemoteDeviceType(handle, 1) == nvml.NVML_NVLINK_DEVICE_TYPE_SWITCH
    assert nvml.nvmlDeviceGetCurrentClocksEventReasons(s.handle(1)) == 0x48
    assert nvml.nvmlDeviceGetMarginTemperature(s.handle(1)) == -2
    for version in ("v2", "v3"):
        info = s.structure(f"c_nvmlGpuFabricInfo_{version}_t", f"nvmlGpuFabricInfo_{version}")
        nvml.nvmlDeviceGetGpuFabricInfoV(s.handle(2), ctypes.byref(info))
        assert info.state == nvml.NVML_GPU_FABRIC_STATE_NOT_STARTED
        info.version = 0x1000008
        refused = s.code(nvml.nvmlDeviceGetGpuFabricInfoV, handle, ctypes.byref(info))
        assert refused == Nvml.ARGUMENT_VERSION_MISMATCH


def test_mig_devices(nvml_session: OpenNvml) -> None:
    state = shapes.with_mig(shapes.h100(), 2, ("3g.40gb", "1g.10gb", "1g.10gb"))
    first = state.gpus[2].migs[0]
    job = Process(4242, 5 << 30, "train", gpu_instance=first.gpu_instance, compute_instance=0)
    s = nvml_session(state.change(2, processes=(job,)))
    nvml, parent = s.nvml, s.handle(2)
    assert nvml.nvmlDeviceGetMigMode(parent) == [1, 1]
    assert nvml.nvmlDeviceGetMaxMigDeviceCount(parent) == 7
    assert nvml.nvmlDeviceGetMaxMigDeviceCount(s.handle(0)) == 0
    migs = [nvml.nvmlDeviceGetMigDeviceHandleByIndex(parent, index) for index in range(3)]
    assert s.code(nvml.nvmlDeviceGetMigDeviceHandleByIndex, parent, 3) == Nvml.NOT_FOUND
    assert s.code(nvml.nvmlDeviceGetMigDeviceHandleByIndex, parent, 7) == Nvml.INVALID_ARGUMENT
    assert [nvml.nvmlDeviceGetGpuInstanceId(mig) for mig in migs] == [1, 7, 8]
    assert nvml.nvmlDeviceGetName(migs[0]) == "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
    assert nvml.nvmlDeviceGetMemoryInfo(migs[1]).total == 81559 * MIB // 8
    assert nvml.nvmlDeviceGetAttributes(migs[0]).gpuInstanceSliceCount == 3
    uuid = nvml.nvmlDeviceGetUUID(migs[2])
    assert uuid.startswith("MIG-")
    found = nvml.nvmlDeviceGetHandleByUUID(uuid.encode())
    assert nvml.nvmlDeviceGetIndex(found) == 2
    assert (
        nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(found)) == state.gpus[2].uuid
    )
    assert nvml.nvmlDeviceIsMigDeviceHandle(found).value == 1
    assert [p.pid for p in nvml.nvmlDeviceGetComputeRunningProcesses_v3(migs[0])] == [4242]
    assert nvml.nvmlDeviceGetComputeRunningProcesses_v3(migs[1]) == []
    refused = {
        "utilisation": s.code(nvml.nvmlDeviceGetUtilizationRates, parent),
        "remaps": s.code(nvml.nvmlDeviceGetRemappedRows, parent),
        "links": s.code(nvml.nvmlDeviceGetNvLinkState, parent, 0),
    }
    assert refused == dict.fromkeys(refused, int(Nvml.NOT_SUPPORTED))
    assert s.code(nvml.nvmlDeviceGetTemperature, migs[0], 0) == Nvml.INVALID_ARGUMENT
    assert s.code(nvml.nvmlDeviceGetGpuInstanceId, parent) == Nvml.INVALID_ARGUMENT


def test_processes_and_their_names(nvml_session: OpenNvml) -> None:
    s = nvml_session(shapes.h100().with_fault("hostile-process", gpu=0))
    nvml, handle, count = s.nvml, s.handle(), ctypes.c_uint(0)
    assert (
        s.library.nvmlDeviceGetComputeRunningProcesses_v3(handle, ctypes.byref(count), None)
        == Nvml.INSUFFICIENT_SIZE
    )
    assert count.value == 1
    (process,) = nvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
    assert (process.pid, process.usedGpuMemory, process.gpuInstanceId) == (31337, 1 << 30, NO_INSTANCE)
    assert nvml.nvmlSystemGetProcessName(31337) == "x\n\x1b[31m$(reboot) \u202e'\""
    assert s.code(nvml.nvmlSystemGetProcessName, 1) == Nvml.NOT_FOUND
    assert nvml.nvmlDeviceGetComputeRunningProcesses_v3(s.handle(1)) == []


def test_retired_pages_of_an_old_card(nvml_session: OpenNvml) -> None:
    s = nvml_session(shapes.v100().with_fault("page-retirement-pending", gpu=0))
    assert s.nvml.nvmlDeviceGetRetiredPages(s.handle(), 1) == [0x7F00]
    assert s.nvml.nvmlDeviceGetRetiredPages(s.handle(), 0) == []
    assert s.nvml.nvmlDeviceGetRetiredPagesPendingStatus(s.handle()) == 1


def test_a_broken_inforom_fails_its_own_query_alone(nvml_session: OpenNvml) -> None:
    s = nvml_session(shapes.h100().with_fault("inforom-corrupted", gpu=0))
    assert s.code(s.nvml.nvmlDeviceGetSerial, s.handle()) == Nvml.CORRUPTED_INFOROM
    assert s.nvml.nvmlDeviceGetUUID(s.handle()) == s.gpus.state.gpus[0].uuid


@pytest.mark.parametrize("fault", sorted(GPU_FAULTS.keys() - {"hang", "hang-in-calls", "cold-start"}))
def test_every_fault_can_be_told(nvml_session: OpenNvml, fault: str) -> None:
    can = []
    for shape in CARDS:
        state = shapes.cards(shape, 2)
        try:
            faulty = state.with_fault(fault, gpu=0)
        except ValueError:
            continue  # not on this card
        can.append(shape)
        s = nvml_session(faulty)
        assert s.code(s.nvml.nvmlDeviceGetHandleByIndex, 1) == (2 if fault == "removed" else 0)
    assert "H100" in can or fault == "page-retirement-pending"


def test_a_fault_that_a_card_can_not_have() -> None:
    with pytest.raises(ValueError, match="nvlink-down can't happen to NVIDIA L40S"):
        shapes.l40s().with_fault("nvlink-down", gpu=0)


def test_a_reader_sees_whole_states_while_they_change(nvml_session: OpenNvml) -> None:
    s = nvml_session()
    handle, stop = s.handle(), threading.Event()
    states = [s.gpus.state.change(0, memory_temperature=value, pcie_replays=value) for value in (40, 50)]

    def replace_it() -> None:
        while not stop.wait(0.001):
            states.reverse()
            states[0].write(s.gpus.path)

    thread = threading.Thread(target=replace_it)
    states[0].write(s.gpus.path)
    thread.start()
    try:
        seen: set[int] = set()
        deadline = time.monotonic() + 30
        while len(seen) < 2 and time.monotonic() < deadline:
            heat, replays = s.nvml.nvmlDeviceGetFieldValues(handle, [82, 94])
            assert heat.value.uiVal == replays.value.uiVal
            seen.add(heat.value.uiVal)
    finally:
        stop.set()
        thread.join()
    assert seen == {40, 50}


def test_a_cold_gpu_starts_slowly_once(nvml_session: OpenNvml) -> None:
    s = nvml_session(shapes.h100().change(5, slow_start_ms=300))
    started = time.monotonic()
    s.handle(4)
    s.handle(5)
    assert time.monotonic() - started >= 0.3
    s.gpus.put(s.gpus.state.change(5, slow_start_ms=3_600_000))
    s.handle(5)  # warm now: if it started again, this test would not end
