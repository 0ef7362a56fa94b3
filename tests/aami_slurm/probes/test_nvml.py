"""The reading through NVML: every value, every refusal, MIG, lost GPUs, and a library that lacks calls."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aami_slurm.probe import FAILED
from aami_slurm.probes import _nvml_calls as calls
from aami_slurm.probes._gpu_rows import KEYS
from tests.lab.nvml import shapes
from tests.lab.nvml.faults import GARBAGE, GPU_FAULTS, HW_SLOWDOWN, HW_THERMAL
from tests.lab.nvml.shapes import h100
from tests.lab.nvml.state import Nvml, Process, Refusal

if TYPE_CHECKING:
    from aami_slurm.places import Places
    from tests.aami_slurm.probes.conftest import MakeDriver

ALL_SHAPES = ("V100", "A100", "H100", "H200", "B200", "L40S")


@pytest.mark.parametrize("shape", ALL_SHAPES)
def test_a_healthy_node(places: Places, make_driver: MakeDriver, shape: str) -> None:
    driver = make_driver(shapes.cards(shape))
    before = time.monotonic()
    told = driver.read(places)
    assert before * 1e6 <= told["mono_us"] + 1 <= time.monotonic() * 1e6
    assert {**told, "mono_us": 0, "gpus": 0} == {
        "source": "nvml", "driver": "580.173.02", "whole": True, "mono_us": 0, "gpus": 0,
    }  # fmt: skip
    assert len(told["gpus"]) == 8
    for index, (row, gpu) in enumerate(zip(told["gpus"], driver.state.gpus, strict=True)):
        assert set(row) == set(KEYS)
        assert row["bus_id"] == f"0000:{str(gpu.bus_id)[9:14].lower()}"
        assert [row[key] for key in ("uuid", "serial", "model", "vbios", "minor", "nvml_index")] == [
            gpu.uuid, gpu.serial, gpu.name, gpu.vbios, index, index,
        ]  # fmt: skip
        assert (row["trouble"], row["mig"], row["processes"]) == (None, None, [])
        assert (row["ecc_mode"], row["ecc_uncorrectable"]) == (True, 0)
        assert row["recovery_action"] == (None if shape == "V100" else 0)
        rows = {"correctable": 0, "uncorrectable": 0, "pending": 0, "failure": 0}
        assert row["remap"] == (None if shape == "V100" else rows)
        assert row["links"] == [{"link": link, "active": True} for link in range(len(gpu.nvlinks))]
        assert (row["temperature"], row["slowdown_limit"]) == (gpu.temperature, gpu.slowdown_temperature)
        assert row["throttle"] == 1


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("ecc-uncorrectable", {"ecc_uncorrectable": 1, "recovery_action": 1}),
    ("ecc-off", {"ecc_mode": False, "ecc_uncorrectable": None}),
    ("row-remap-pending", {"remap": {"correctable": 0, "uncorrectable": 1, "pending": 1, "failure": 0}}),
    ("row-remap-failure", {"remap": {"correctable": 0, "uncorrectable": 9, "pending": 0, "failure": 1}}),
    ("needs-drain-and-reset", {"recovery_action": 4}),
    ("recovery-unknown", {"recovery_action": None}),
    ("hw-thermal", {"throttle": HW_SLOWDOWN | HW_THERMAL, "temperature": 89}),
    ("inforom-corrupted", {"serial": None}),
    ("garbage", {"temperature": GARBAGE, "recovery_action": GARBAGE, "model": "?"}),
]


@pytest.mark.parametrize(("fault", "told"), FAULTS)
def test_a_fault_is_read_from_the_gpu_that_has_it(
    places: Places, make_driver: MakeDriver, fault: str, told: dict[str, Any]
) -> None:
    well = make_driver(name="well").read(places)["gpus"]
    rows = make_driver(h100().with_fault(fault, gpu=5)).read(places)["gpus"]
    assert {key: rows[5][key] for key in told} == told
    assert rows[5]["trouble"] is None
    assert rows[:5] + rows[6:] == well[:5] + well[6:]


def test_links_that_are_down(places: Places, make_driver: MakeDriver) -> None:
    rows = make_driver(h100().with_fault("nvlink-down", gpu=1).with_fault("nvlink-all-down", gpu=2)).read(
        places
    )["gpus"]
    up = [[link["active"] for link in row["links"]] for row in rows[:3]]
    assert up == [[True] * 18, [False] + [True] * 17, [False] * 18]


@pytest.mark.parametrize("key", ["uuid", "serial", "name", "vbios", "minor_number", "temperature", "slowdown_temperature",
                                 "throttle_reasons", "recovery_action", "remap_pending", "ecc_current", "mig_current"])  # fmt: skip
@pytest.mark.parametrize("code", [Nvml.NOT_SUPPORTED, Nvml.NO_PERMISSION, Nvml.UNKNOWN])
def test_what_one_call_refuses_is_none_and_costs_the_others_nothing(
    places: Places, make_driver: MakeDriver, key: str, code: Nvml
) -> None:
    well = make_driver(name="well").read(places)["gpus"][3]
    row = make_driver(h100().change(3, **{key: Refusal(code)})).read(places)["gpus"][3]
    ours = {"name": "model", "minor_number": "minor", "throttle_reasons": "throttle", "ecc_current": "ecc_mode",
            "mig_current": "mig", "slowdown_temperature": "x", "remap_pending": "x"}.get(key, key)  # fmt: skip
    assert row["trouble"] is None
    if ours != "x":
        assert row[ours] is None
    follows = {"ecc_current": ["ecc_uncorrectable"], "temperature": ["slowdown_limit"]}.get(key, [])
    # The newer fields still tell the slowdown limit, and the other three counts of the rows.
    if key == "remap_pending":
        assert row["remap"] == {**well["remap"], "pending": None}
        follows = ["remap"]
    same = [name for name in KEYS if name not in {ours, *follows}]
    assert {name: row[name] for name in same} == {name: well[name] for name in same}


def test_a_lost_gpu_does_not_lose_the_others(places: Places, make_driver: MakeDriver) -> None:
    well = make_driver(name="well").read(places)["gpus"]
    rows = make_driver(h100().with_fault("lost", gpu=0).with_fault("unreachable", gpu=7)).read(places)["gpus"]
    assert rows[1:7] == well[1:7]
    assert rows[0] == {**dict.fromkeys(KEYS), "nvml_index": 0, "trouble": "gpu-is-lost"}
    assert rows[7] == {**dict.fromkeys(KEYS), "nvml_index": 7, "trouble": "unknown-error"}


def test_a_gpu_that_may_not_be_touched_is_listed(places: Places, make_driver: MakeDriver) -> None:
    rows = make_driver(h100().with_fault("denied", gpu=2)).read(places)["gpus"]
    assert [row["trouble"] for row in rows] == [None, None, "no-permission", None, None, None, None, None]


def test_a_gpu_that_is_removed_is_not_listed(places: Places, make_driver: MakeDriver) -> None:
    driver = make_driver(h100().with_fault("removed", gpu=3))
    rows = driver.read(places)["gpus"]
    assert [row["minor"] for row in rows] == [0, 1, 2, 4, 5, 6, 7]
    assert [row["nvml_index"] for row in rows] == list(range(7))


def test_a_gpu_that_is_lost_while_it_is_read_keeps_what_it_told(
    places: Places, make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = calls.Device.parts

    def lost_meanwhile(device: calls.Device) -> Any:
        driver.put(h100().with_fault("lost", gpu=4))
        return whole(device)

    driver = make_driver()
    monkeypatch.setattr(calls.Device, "parts", lost_meanwhile)
    rows = driver.read(places)["gpus"]
    assert rows[4]["trouble"] == "gpu-is-lost"
    assert rows[4]["uuid"] is None or rows[4]["uuid"] == driver.state.gpus[4].uuid
    monkeypatch.undo()
    driver.put(h100())
    first = driver.state.gpus[0]
    monkeypatch.setattr(calls.Device, "parts", lambda device: driver.put(h100().with_fault("lost", gpu=0)))
    row = driver.read(places)["gpus"][0]
    assert (row["trouble"], row["uuid"], row["serial"]) == ("gpu-is-lost", first.uuid, first.serial)
    assert (row["temperature"], row["links"], row["processes"]) == (None, [], None)


def test_mig_devices(places: Places, make_driver: MakeDriver) -> None:
    state = shapes.with_mig(h100(), 2, ("3g.40gb", "1g.10gb", "1g.10gb"))
    row = make_driver(state.with_fault("row-remap-pending", gpu=2)).read(places)["gpus"][2]
    assert row["mig"] == [
        {"uuid": part.uuid, "gi": part.gpu_instance, "ci": part.compute_instance}
        for part in state.gpus[2].migs
    ]
    assert row["remap"]["pending"] == 1, "the call refuses under MIG, the fields don't"
    assert row["links"] == []
    rows = make_driver(h100().change(1, mig_current=1, mig_pending=1), name="empty").read(places)["gpus"]
    assert (rows[0]["mig"], rows[1]["mig"]) == (None, [])


def test_processes_have_what_tells_them_apart(places: Places, make_driver: MakeDriver) -> None:
    mine = subprocess.Popen(["sleep", "60"])
    try:
        state = h100().change(
            6,
            processes=(
                Process(mine.pid, 7 << 30, "train"),
                Process(99999999, calls.UNKNOWN_MEMORY, "x\n\x1b[31m$(reboot) \u202e'\""),
                *(Process(1000000 + number, 1) for number in range(60)),
            ),
        )
        rows = make_driver(state).read(places)["gpus"]
        stat = Path(f"/proc/{mine.pid}/stat").read_bytes()
        started = int(stat.rpartition(b")")[2].split()[19])
    finally:
        mine.kill()
        mine.wait()
    found = rows[6]["processes"]
    assert len(found) == 62
    assert found[0] == {
        "pid": mine.pid,
        "started": started,
        "uid": os.getuid(),
        "name": "train",
        "memory": 7 << 30,
    }
    assert found[1] == {
        "pid": 99999999,
        "started": None,
        "uid": None,
        "name": "x ?[31m$(reboot) ?'\"",
        "memory": None,
    }
    assert rows[0]["processes"] == []


def test_some_gpus_only(places: Places, make_driver: MakeDriver) -> None:
    driver = make_driver(h100().with_fault("lost", gpu=5))
    uuids = [str(driver.state.gpus[index].uuid) for index in (2, 3)]
    told = driver.read(places, uuids=uuids)
    assert told["whole"] is False
    assert [row["uuid"] for row in told["gpus"]] == [*uuids, None], (
        "whose name nobody knows may be one of them"
    )


def test_with_bus_ids_no_other_gpu_is_touched(places: Places, make_driver: MakeDriver) -> None:
    driver = make_driver(
        h100().with_fault("hang", gpu=0).with_fault("lost", gpu=3).with_fault("removed", gpu=4)
    )
    gpus = [driver.state.gpus[index] for index in (2, 3, 4)]
    bus_ids = [str(gpu.bus_id)[4:14].lower() for gpu in gpus]
    told = driver.read(places, uuids=[gpu.uuid for gpu in gpus], bus_ids=bus_ids)
    assert [(row["uuid"], row["bus_id"], row["trouble"]) for row in told["gpus"]] == [
        (gpus[0].uuid, bus_ids[0], None), (None, bus_ids[1], "gpu-is-lost"),
    ]  # fmt: skip
    assert told["gpus"][0]["nvml_index"] == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("driver-not-loaded", "NoDriver: the NVIDIA driver is not loaded"),
        ("version-mismatch", "NoDriver: the NVIDIA driver and its library are of different releases"),
        ("no-permission", "NoDriver: the NVIDIA driver can't be used: no permission"),
        ("unknown-error", "NoDriver: the NVIDIA driver can't be used: NVML error 999"),
    ],
)
def test_a_driver_that_does_not_start_says_why(
    places: Places, make_driver: MakeDriver, fault: str, words: str
) -> None:
    answer = make_driver(h100().with_fault(fault)).probe(places, 20.0)
    assert (answer.kind, answer.words) == (FAILED, words)


def test_a_node_with_a_driver_and_without_gpus(places: Places, make_driver: MakeDriver) -> None:
    told = make_driver(h100().with_fault("no-gpus")).read(places)
    assert (told["gpus"], told["driver"]) == ([], "580.173.02")


@pytest.mark.parametrize(
    "fault", sorted(set(GPU_FAULTS) - {"hang", "hang-in-calls", "cold-start", "page-retirement-pending"})
)
def test_every_fault_of_one_gpu_leaves_the_others_as_they_are(
    places: Places, make_driver: MakeDriver, fault: str
) -> None:
    well = make_driver(name="well").read(places)["gpus"]
    rows = make_driver(h100().with_fault(fault, gpu=3)).read(places)["gpus"]
    others = {row["uuid"]: {**row, "nvml_index": 0} for row in rows}
    for index in (0, 1, 2, 4, 5, 6, 7):
        assert others[well[index]["uuid"]] == {**well[index], "nvml_index": 0}


def test_a_newer_card_tells_only_how_far_the_slowdown_is(places: Places, make_driver: MakeDriver) -> None:
    """The threshold's own call is announced to go; the margin and the fields stay."""
    state = h100().change(0, slowdown_temperature=None)
    row = make_driver(state).read(places)["gpus"][0]
    assert row["slowdown_limit"] == h100().gpus[0].slowdown_temperature


@pytest.fixture
def old_library(tmp_path: Path, make_driver: MakeDriver) -> Any:
    """A library of another release: it has the calls of this source and no other."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")

    def make(source: str) -> str:
        (tmp_path / "old.c").write_text(source)
        path = tmp_path / "libold.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", path, tmp_path / "old.c"], check=True)
        return str(path)

    return make


OLD = """
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) { *h = (void *)16; return 0; }
int nvmlDeviceGetUUID(void *h, char *t, unsigned n) { memcpy(t, "GPU-\\xff\\n1", 8); return 0; }
int nvmlDeviceGetPciInfo_v2(void *h, char *p) { unsigned v[] = {0, 0xc1, 0}; memcpy(p + 16, v, 12); return 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *h, unsigned long long *v) { *v = 8; return 0; }
int nvmlDeviceGetComputeRunningProcesses_v2(void *h, unsigned *n, void *p) { *n = 0; return 0; }
"""


def test_an_older_library_is_asked_by_its_own_names(
    places: Places, make_driver: MakeDriver, old_library: Any
) -> None:
    told = make_driver().read(places, nvml=old_library(OLD))
    known = {
        "uuid": "GPU-?xff 1",
        "bus_id": "0000:c1:00",
        "nvml_index": 0,
        "throttle": 8,
        "links": [],
        "processes": [],
    }
    known["uuid"] = told["gpus"][0]["uuid"]
    assert told["gpus"] == [{**dict.fromkeys(KEYS), **known}]
    assert str(known["uuid"]).isascii()
    assert str(known["uuid"]).isprintable()
    assert told["driver"] is None


def test_a_library_that_is_another_one_is_none(
    places: Places, make_driver: MakeDriver, old_library: Any
) -> None:
    told = make_driver().read(places, nvml=old_library("int other(void) { return 0; }"))
    assert told["source"] == "nvidia-smi"


def test_the_layouts_are_those_of_the_real_binding() -> None:
    pynvml = pytest.importorskip("pynvml")
    assert ctypes.sizeof(calls._Process) == ctypes.sizeof(pynvml.c_nvmlProcessInfo_v3_t)
    assert ctypes.sizeof(calls._Field) == ctypes.sizeof(pynvml.c_nvmlFieldValue_t)
    assert ctypes.sizeof(calls._Pci) >= ctypes.sizeof(pynvml.nvmlPciInfo_t)
    assert (
        calls._Pci.domain.offset
        == pynvml.nvmlPciInfo_t.domain.offset
        == pynvml.nvmlPciInfo_v2_t.domain.offset
    )
    assert pynvml.nvmlMarginTemperature_v1 == calls._MARGIN_VERSION
    assert calls.RECOVERY_ACTION == pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION
    assert calls.SLOWDOWN_MARGIN == pynvml.NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT
    assert calls.REMAPPED[0] == pynvml.NVML_FI_DEV_REMAPPED_COR
    assert calls.REMAPPED[3] == pynvml.NVML_FI_DEV_REMAPPED_FAILURE
    assert calls.LINKS == pynvml.NVML_NVLINK_MAX_LINKS
    assert calls.SLOWDOWN == pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
    assert (calls.UNCORRECTED, calls.VOLATILE) == (
        pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
        pynvml.NVML_VOLATILE_ECC,
    )
    names = {code: pynvml.NVMLError(code) for code in calls.TROUBLE}
    assert names[calls.LOST].value == pynvml.NVML_ERROR_GPU_IS_LOST
