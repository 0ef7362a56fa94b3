"""The fake nvidia-smi: the real one's formats, messages and exit statuses."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.nvml import shapes
from tests.lab.nvml.state import Process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.gpu_fixtures import MakeGpus
    from tests.lab.nvml.gpus import FakeGpus

LOST = "GPU is lost.  Reboot the system to recover this GPU"


def _query(gpus: FakeGpus, fields: str, *more: str) -> list[dict[str, str]]:
    done = gpus.smi(f"--query-gpu={fields}", "--format=csv", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return list(csv.DictReader(done.stdout.splitlines(), skipinitialspace=True))


def test_list_with_mig_devices(gpu_state: MakeGpus) -> None:
    gpus = gpu_state(shapes.with_mig(shapes.h100(2), 1, ("3g.40gb", "1g.10gb")))
    first, second = gpus.state.gpus
    assert gpus.smi("-L").stdout.splitlines() == [
        f"GPU 0: NVIDIA H100 80GB HBM3 (UUID: {first.uuid})",
        f"GPU 1: NVIDIA H100 80GB HBM3 (UUID: {second.uuid})",
        f"  MIG 3g.40gb     Device  0: (UUID: {second.migs[0].uuid})",
        f"  MIG 1g.10gb     Device  1: (UUID: {second.migs[1].uuid})",
    ]


def test_query_formats_values_as_the_real_one(gpu_state: MakeGpus) -> None:
    gpus = gpu_state(shapes.h200().change(3, temperature=37, util_gpu=99, memory_used=12 << 30))
    names = "index,name,pci.bus_id,temperature.gpu,utilization.gpu,memory.used,power.limit,ecc.mode.current,pstate"
    done = gpus.smi(f"--query-gpu={names}", "--format=csv", "-i", "3")
    header, values = done.stdout.splitlines()
    assert header == names.replace("gpu,mem", "gpu [%],mem").replace("used,", "used [MiB],").replace(
        "limit,", "limit [W],"
    ).replace(",", ", ")
    assert values == ("3, NVIDIA H200, 00000000:61:00.0, 37, 99 %, 12288 MiB, 700.00 W, Enabled, P0")
    bare = gpus.smi("--query-gpu", "utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-i", "3")
    assert bare.stdout == "99, 12288\n"
    headed = gpus.smi("--query-gpu=memory.used", "--format=csv,nounits", "-i", "3")
    assert headed.stdout == "memory.used [MiB]\n12288\n"


def test_query_of_a_faulty_node(gpu_state: MakeGpus) -> None:
    state = shapes.h100().with_fault("ecc-uncorrectable", gpu=1).with_fault("hw-thermal", gpu=2)
    gpus = gpu_state(state.with_fault("inforom-corrupted", gpu=3))
    rows = _query(
        gpus,
        "ecc.errors.uncorrected.volatile.total,remapped_rows.pending,gpu_recovery_action,serial,"
        "clocks_throttle_reasons.hw_thermal_slowdown,clocks_throttle_reasons.active,retired_pages.pending",
    )
    assert rows[1]["ecc.errors.uncorrected.volatile.total"] == "1"
    assert (rows[1]["remapped_rows.pending"], rows[1]["gpu_recovery_action"]) == ("Yes", "Reset")
    assert (rows[0]["remapped_rows.pending"], rows[0]["gpu_recovery_action"]) == ("No", "None")
    assert rows[2]["clocks_event_reasons.hw_thermal_slowdown"] == "Active"
    assert rows[2]["clocks_event_reasons.active"] == "0x0000000000000048"
    assert rows[3]["serial"] == "[Corrupted infoROM]"
    assert {row["retired_pages.pending"] for row in rows} == {"[N/A]"}


def test_every_field_answers_on_every_card(gpu_state: MakeGpus) -> None:
    names = re.findall(r'^"([^"]+)"', gpu_state().smi("--help-query-gpu").stdout, re.MULTILINE)
    assert len(names) > 200
    for number, make in enumerate((shapes.h100, shapes.a100, shapes.b200, shapes.l40s, shapes.v100)):
        (row,) = _query(gpu_state(make(), name=f"node{number}"), ",".join(names), "-i", "0")
        assert len(row) == len(names)
        assert [name for name, value in row.items() if not value] == ["platform.chassis_serial_number"]


@pytest.mark.parametrize("fields", ["index,gpu_temperature", "temperatur.gpu"])
def test_a_field_that_does_not_exist(gpu_state: MakeGpus, fields: str) -> None:
    done = gpu_state().smi(f"--query-gpu={fields}", "--format=csv")
    assert done.returncode == 2
    assert done.stdout == f'Field "{fields.rpartition(",")[2]}" is not a valid field to query.\n\n'


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--query-gpu=index"], 2),  # no --format
        (["--query-gpu=index", "--format=json"], 2),
        (["--query-gpu=index", "--format=noheader"], 2),
        (["-d", "ECC"], 2),
        (["frobnicate"], 2),
        (["-i", "9"], 6),
        (["-i", "GPU-none", "-L"], 6),
        (["--gpu-reset"], 70),  # real, but the fake does not do it and says so
        (["-q", "-d", "ACCOUNTING"], 70),
        (["-q", "-x"], 70),
    ],
)
def test_what_it_refuses(gpu_state: MakeGpus, arguments: list[str], status: int) -> None:
    assert gpu_state().smi(*arguments).returncode == status


def test_one_gpu_by_any_name(gpu_state: MakeGpus) -> None:
    gpus = gpu_state()
    gpu = gpus.state.gpus[4]
    for name in ("4", str(gpu.uuid), str(gpu.serial), "00000000:9D:00.0", "0000:9d:00.0"):
        assert _query(gpus, "uuid", "-i", name) == [{"uuid": gpu.uuid}], name
    assert [row["index"] for row in _query(gpus, "index", "--id=2,6")] == ["2", "6"]


def test_a_lost_gpu(gpu_state: MakeGpus) -> None:
    gpus = gpu_state(shapes.h100().with_fault("lost", gpu=4))
    for arguments in ([], ["-q"], ["--query-gpu=uuid", "--format=csv"], ["nvlink", "-s"]):
        done = gpus.smi(*arguments)
        assert done.returncode == 15
        assert done.stdout.endswith(f"Unable to determine the device handle for GPU0000:9D:00.0: {LOST}\n")
    listed = gpus.smi("-L")
    assert listed.returncode == 15
    assert (
        listed.stdout.splitlines()[4] == f"Unable to determine the device handle for gpu 0000:9D:00.0: {LOST}"
    )
    assert len(listed.stdout.splitlines()) == 8
    assert gpus.smi("-i", "0").returncode == 0  # the others can be asked
    gpus.put(shapes.h100().with_fault("unreachable", gpu=4))
    done = gpus.smi()
    assert done.returncode == 255
    assert done.stdout == "Unable to determine the device handle for GPU0000:9D:00.0: Unknown Error\n"


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        ("driver-not-loaded", 9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."),
        ("version-mismatch", 18, "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.173"),
        ("no-permission", 4, "Failed to initialize NVML: Insufficient Permissions"),
        ("unknown-error", 255, "Failed to initialize NVML: Unknown Error"),
        ("no-gpus", 6, "No devices were found"),
    ],
)  # fmt: skip
def test_a_node_without_a_working_driver(gpu_state: MakeGpus, fault: str, status: int, says: str) -> None:
    done = gpu_state(shapes.h100().with_fault(fault)).smi()
    assert done.returncode == status
    assert done.stdout.startswith(says)


def test_without_the_library(gpu_state: MakeGpus, tmp_path: Path) -> None:
    alone = shutil.copy2(gpu_state().stub.program, tmp_path / "nvidia-smi")
    done = subprocess.run([alone], env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 12
    assert "couldn't find libnvidia-ml.so library" in done.stdout


def test_the_long_report(gpu_state: MakeGpus) -> None:
    state = shapes.h100(2).with_fault("row-remap-failure", gpu=1).with_fault("hw-thermal", gpu=0)
    gpus = gpu_state(state)
    whole = gpus.smi("-q").stdout
    assert whole.startswith("\n==============NVSMI LOG==============\n\nTimestamp ")
    assert re.search(r"^Attached GPUs +: 2$", whole, re.MULTILINE)
    assert re.search(r"^    GPU Recovery Action +: None$", whole, re.MULTILINE)
    assert re.search(r"^            HW Thermal Slowdown +: Active$", whole, re.MULTILINE)
    assert re.search(r"^        GPU Slowdown T.Limit Temp +: -2 C$", whole, re.MULTILINE)
    part = gpus.smi("-q", "-d", "ECC,ROW_REMAPPER", "-i", "1").stdout
    assert "GPU 00000000:43:00.0" in part
    assert re.search(r"^        Remapping Failure Occurred +: Yes$", part, re.MULTILINE)
    assert re.search(r"^            DRAM Uncorrectable +: 0$", part, re.MULTILINE)
    assert "Temperature" not in part
    assert {line.index(": ") for line in part.splitlines() if re.match(r" +\S.*: ", line)} == {55}
    gpus.put(shapes.a100(1))
    assert re.search(r"^        GPU Slowdown Temp +: 89 C$", gpus.smi("-q").stdout, re.MULTILINE)


def test_the_table(gpu_state: MakeGpus) -> None:
    job = Process(21180, 2296 << 20, "/root/tools/memhog")
    done = gpu_state(shapes.h200(1).change(0, processes=(job,), memory_used=3 << 30)).smi()
    lines = done.stdout.splitlines()
    assert {len(line) for line in lines[1:] if line} == {91}
    assert (
        "|   0  NVIDIA H200                    On  |   00000000:1B:00.0 Off |                    0 |" in lines
    )
    assert (
        "| N/A   37C    P0             85W /  700W |    3072MiB / 143771MiB |      0%      Default |" in lines
    )
    assert (
        "|    0  N/A  N/A            21180      C   /root/tools/memhog                     2296MiB |" in lines
    )
    assert "No running processes found" in gpu_state(shapes.h200(1), name="idle").smi().stdout


def test_links(gpu_state: MakeGpus) -> None:
    state = shapes.h100(5).with_fault("nvlink-down", gpu=0).with_fault("nvlink-errors", gpu=1)
    gpus = gpu_state(shapes.with_mig(state.with_fault("nvlink-all-down", gpu=3), 4, ("1g.10gb",)))
    assert gpus.smi("nvlink", "-s", "-i", "0").stdout.splitlines()[1:3] == [
        "\t Link 0: <inactive>",
        "\t Link 1: 26.562 GB/s",
    ]
    errors = gpus.smi("nvlink", "-e", "-i", "1").stdout.splitlines()
    assert errors[1:4] == [
        "\t Link 0: Replay Errors: 1200",
        "\t Link 0: Recovery Errors: 3",
        "\t Link 0: CRC Errors: 5400",
    ]
    assert len(errors) == 1 + 3 * 18
    assert "all links are inActive" in gpus.smi("nvlink", "--status", "-i", "3").stdout
    assert "not supported for Devices in MIG mode" in gpus.smi("nvlink", "-s", "-i", "4").stdout
    matrix = gpus.smi("topo", "-m").stdout.splitlines()
    assert matrix[1].split("\t")[:5] == ["GPU0", " X ", "NV17", "NV17", "SYS"]


def test_processes_and_remapped_rows(gpu_state: MakeGpus) -> None:
    gpus = gpu_state(
        shapes.h100(3).with_fault("leftover-process", gpu=1).with_fault("row-remap-pending", gpu=2)
    )
    uuid = gpus.state.gpus[1].uuid
    apps = gpus.smi("--query-compute-apps=gpu_uuid,pid,name,used_memory", "--format=csv")
    assert apps.stdout.splitlines() == [
        "gpu_uuid, pid, process_name, used_gpu_memory [MiB]",
        f"{uuid}, 31337, python, 30720 MiB",
    ]
    rows = gpus.smi(
        "--query-remapped-rows=gpu_bus_id,remapped_rows.uncorrectable,remapped_rows.pending",
        "--format=csv,noheader",
    )
    assert rows.stdout.splitlines()[2] == "00000000:52:00.0, 1, Yes"


def test_it_is_found_on_path(gpu_state: MakeGpus, fake_nvidia_smi: Path) -> None:
    gpus = gpu_state()
    assert shutil.which("nvidia-smi", path=str(fake_nvidia_smi)) == str(gpus.stub.program)
    assert gpus.run(["nvidia-smi", "--version"]).stdout.splitlines()[2] == "DRIVER version      : 580.173.02"
