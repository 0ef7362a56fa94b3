"""The reading through nvidia-smi: the same shape as NVML's, and the program's own ways to fail."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aami_slurm import register
from aami_slurm.probe import FAILED, LATE
from aami_slurm.probes import nvidia_smi
from aami_slurm.probes._gpu_rows import KEYS, bus_id
from tests.lab.nvml import shapes
from tests.lab.nvml.shapes import h100
from tests.lab.nvml.state import Process

if TYPE_CHECKING:
    from aami_slurm.places import Places
    from tests.aami_slurm.probes.conftest import MakeDriver
    from tests.aami_slurm.probes.support import Driver

# What nvidia-smi has no query for.
LACKS = ("minor", "slowdown_limit")


def _smi(driver: Driver, places: Places, **more: Any) -> Any:
    return driver.read(places, nvml="libaami-none.so.1", **more)


@pytest.mark.parametrize("shape", ["V100", "A100", "H100", "B200", "L40S"])
def test_the_same_node_reads_the_same_as_through_nvml(
    places: Places, make_driver: MakeDriver, shape: str
) -> None:
    driver = make_driver(shapes.cards(shape))
    told, nvml = _smi(driver, places), driver.read(places)
    assert told["source"] == "nvidia-smi"
    assert [told[key] for key in ("driver", "whole")] == [nvml["driver"], nvml["whole"]]
    assert [set(row) for row in told["gpus"]] == [set(KEYS)] * 8
    same = [key for key in KEYS if key not in LACKS]
    assert [[row[key] for key in same] for row in told["gpus"]] == [
        [row[key] for key in same] for row in nvml["gpus"]
    ]


@pytest.mark.parametrize(
    "fault",
    ["ecc-uncorrectable", "ecc-off", "row-remap-pending", "row-remap-failure", "needs-reset", "needs-drain-and-reset",
     "recovery-unknown", "nvlink-down", "hw-thermal", "inforom-corrupted", "leftover-process"],
)  # fmt: skip
def test_a_fault_reads_the_same_as_through_nvml(places: Places, make_driver: MakeDriver, fault: str) -> None:
    driver = make_driver(h100().with_fault(fault, gpu=5))
    told, nvml = _smi(driver, places)["gpus"], driver.read(places)["gpus"]
    same = [key for key in KEYS if key not in LACKS]
    assert [[row[key] for key in same] for row in told] == [[row[key] for key in same] for row in nvml]


def test_a_lost_gpu_does_not_lose_the_others(places: Places, make_driver: MakeDriver) -> None:
    well = _smi(make_driver(name="well"), places)["gpus"]
    driver = make_driver(h100().with_fault("lost", gpu=4).with_fault("unreachable", gpu=6))
    rows = _smi(driver, places)["gpus"]
    there = [row for row in rows if row["trouble"] is None]
    assert [{**row, "links": 0, "processes": 0} for row in there] == [
        {**well[index], "links": 0, "processes": 0} for index in (0, 1, 2, 3, 5, 7)
    ]
    lost = {row["nvml_index"]: (row["bus_id"], row["uuid"], row["trouble"]) for row in rows if row["trouble"]}
    assert lost == {
        4: ("0000:9d:00", None, "gpu-is-lost"),
        6: (str(h100().gpus[6].bus_id)[4:14].lower(), None, "unknown-error"),
    }


def test_mig_devices(places: Places, make_driver: MakeDriver) -> None:
    state = shapes.with_mig(h100(), 2, ("3g.40gb", "1g.10gb"))
    rows = _smi(make_driver(state), places)["gpus"]
    assert rows[2]["mig"] == [{"uuid": part.uuid, "gi": None, "ci": None} for part in state.gpus[2].migs]
    assert [row["mig"] for row in rows[:2]] == [None, None]


def test_processes_with_names_that_users_choose(places: Places, make_driver: MakeDriver) -> None:
    named = (Process(4242, 3 << 20, "a, b, 7, GPU"), Process(4243, 1 << 20, "x\x1b[31m"))
    rows = _smi(make_driver(h100().change(1, processes=named)), places)["gpus"]
    assert [(told["pid"], told["name"], told["memory"]) for told in rows[1]["processes"]] == [
        (4242, "a, b, 7, GPU", 3 << 20), (4243, "x?[31m", 1 << 20),
    ]  # fmt: skip
    assert rows[0]["processes"] == []


def test_some_gpus_only(places: Places, make_driver: MakeDriver) -> None:
    driver = make_driver()
    uuids = [str(driver.state.gpus[index].uuid) for index in (2, 3)]
    told = _smi(driver, places, uuids=uuids)
    assert ([row["uuid"] for row in told["gpus"]], told["whole"]) == (uuids, False)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            "driver-not-loaded",
            "status 9: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
        ),
        ("version-mismatch", "status 18: Failed to initialize NVML: Driver/library version mismatch"),
        ("no-permission", "status 4: Failed to initialize NVML: Insufficient Permissions"),
    ],
)
def test_a_driver_that_does_not_start_says_why(
    places: Places, make_driver: MakeDriver, fault: str, words: str
) -> None:
    driver = make_driver(h100().with_fault(fault))
    answer = driver.probe(places, 20.0, nvml="libaami-none.so.1")
    assert answer.kind == FAILED
    assert answer.words.startswith(f"NoDriver: {driver.stub.program}: {words}")


def test_a_node_without_gpus(places: Places, make_driver: MakeDriver) -> None:
    told = _smi(make_driver(h100().with_fault("no-gpus")), places)
    assert (told["gpus"], told["driver"]) == ([], None)


def test_a_node_without_any_driver_says_so(places: Places, make_driver: MakeDriver) -> None:
    answer = make_driver().probe(places, 20.0, nvml="libaami-none.so.1", nvidia_smi="/usr/bin/aami-none")
    assert answer.kind == FAILED
    assert answer.words.startswith("NoDriver: no NVIDIA driver here: libaami-none.so.1: ")
    assert answer.words.endswith("; /usr/bin/aami-none: No such file or directory")


def _script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "nvidia-smi"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def test_an_older_program_is_asked_without_what_it_does_not_know(
    places: Places, make_driver: MakeDriver, tmp_path: Path
) -> None:
    real = make_driver().stub.program
    text = f"""
case "$1" in *clocks_event_reasons*) echo 'Field "clocks_event_reasons.active" is not a valid field to query.'; exit 2;; esac
case "$1" in *gpu_recovery_action*) echo 'Field "gpu_recovery_action" is not a valid field to query.'; exit 2;; esac
exec {real} "$@"
"""
    driver = make_driver(name="other")
    row = _smi(driver, places, nvidia_smi=_script(tmp_path, text))["gpus"][0]
    assert (row["recovery_action"], row["throttle"], row["temperature"]) == (
        None,
        1,
        h100().gpus[0].temperature,
    )


@pytest.mark.parametrize(
    "text", ["exit 0", "echo garbage", "echo 'a, b, c'", "printf '\\377\\376\\n,,,,,,,,,,,,,,,,\\n'"]
)
def test_a_program_that_says_garbage_is_no_node_without_gpus(
    places: Places, make_driver: MakeDriver, tmp_path: Path, text: str
) -> None:
    answer = make_driver().probe(places, 20.0, nvml="libaami-none.so.1", nvidia_smi=_script(tmp_path, text))
    assert answer.kind == FAILED
    assert "says something else than it was asked" in answer.words


def test_a_program_that_never_stops_talking_is_stopped(
    places: Places, make_driver: MakeDriver, tmp_path: Path
) -> None:
    answer = make_driver().probe(
        places, 20.0, nvml="libaami-none.so.1", nvidia_smi=_script(tmp_path, "exec yes GPU 0: x")
    )
    assert answer.kind == FAILED
    assert answer.words.endswith("says more than 1048576 bytes")


def test_a_program_that_hangs_goes_with_its_probe(
    places: Places, make_driver: MakeDriver, tmp_path: Path
) -> None:
    """It has no environment but a fixed one, and the time of the probe that started it."""
    path = tmp_path / "told"
    text = f"trap '' TERM INT; env > {path}; echo $$ > {path}.pid; sleep 100"
    began = time.monotonic()
    answer = make_driver().probe(places, 1.0, nvml="libaami-none.so.1", nvidia_smi=_script(tmp_path, text))
    assert answer.kind == LATE
    assert time.monotonic() - began < 3
    assert register.life("/proc", int(Path(f"{path}.pid").read_text())) is None
    told = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert told.keys() - {"PWD", "SHLVL", "_", "OLDPWD"} == nvidia_smi.ENVIRONMENT.keys()


def test_the_number_of_the_device_file_comes_from_the_drivers_folder(
    places: Places, make_driver: MakeDriver, tmp_path: Path
) -> None:
    driver = make_driver(h100(2))
    for number, gpu in enumerate(driver.state.gpus):
        folder = tmp_path / "proc/driver/nvidia/gpus" / str(gpu.bus_id)[4:].lower()
        folder.mkdir(parents=True)
        (folder / "information").write_text(
            f"Model: \t\t NVIDIA H100\nIRQ:   \t\t 99\nDevice Minor: \t {7 - number}\n"
        )
    rows = _smi(driver, places, proc=str(tmp_path / "proc"))["gpus"]
    assert [row["minor"] for row in rows] == [7, 6]


@pytest.mark.parametrize(
    ("told", "ours"),
    [
        ("00000000:9D:00.0", "0000:9d:00"), ("0000:9d:00.0", "0000:9d:00"), ("00010000:01:00.0", "10000:01:00"),
        ("", None), ("x", None), ("0:1", None), ("0:g:0", None), ("[N/A]", None),
    ],
)  # fmt: skip
def test_bus_ids_of_any_form(told: str, ours: str | None) -> None:
    assert bus_id(told) == ours
