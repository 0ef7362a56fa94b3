"""This machine and its GPUs, good and bad."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from aami_hpc.fleet.survey.gpus import gpus
from aami_hpc.fleet.survey.machine import machine
from aami_hpc.fleet.survey.sighting import keyed
from aami_hpc.fleet.survey.tree import Tree
from aami_hpc.io.run import SystemRunner
from aami_hpc.testing import FakeRunner

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fleet_survey.support import Root

INFORMATION = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 55\nBus Location: \t 0000:01:00.0\n"
DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n"


def test_a_machine_says_what_it_is_and_where_that_is_known_from(root: Root) -> None:
    found = keyed(machine(root.world()))
    assert found["name"] == {"value": "head1", "source": "/proc/sys/kernel/hostname"}
    assert found["os"] == {"value": "Rocky Linux 9.4 (Blue Onyx)", "source": "/etc/os-release"}
    assert found["os_id"]["value"] == "rocky 9.4"
    assert found["kernel"]["value"] == "5.14.0-427.el9.x86_64"
    assert found["arch"] == {"value": "x86_64", "source": "uname -m"}
    assert found["python"] == {"value": "3.11.2", "source": "/usr/bin/python3"}
    assert found["services"] == {"value": "systemd", "source": "/run/systemd/system"}
    assert found["user"]["value"] == "ann (uid 1000)"


def test_a_machine_without_systemd_says_what_runs_it(root: Root) -> None:
    root.remove("/run/systemd/system")
    root.write("/proc/1/comm", "dumb-init\n")
    found = keyed(machine(root.world()))["services"]
    assert found == {"value": "dumb-init (not systemd)", "source": "/proc/1/comm"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "not there"),
        ("", "it names no system (no PRETTY_NAME, no NAME)"),
        ("\x00\xff garbage \x1b[2J\n=\nlower=1\n", "it names no system (no PRETTY_NAME, no NAME)"),
        ("PRETTY_NAME=" + "x" * 200_000, "it holds more than 64 KiB"),
    ],
)
def test_a_bad_os_release_is_unknown_with_the_reason(root: Root, content: str | None, why: str) -> None:
    root.remove("/etc/os-release")
    if content is not None:
        root.write("/etc/os-release", content)
    found = keyed(machine(root.world()))["os"]
    assert found["value"] is None
    assert found["unknown"] == why


def test_a_pipe_in_place_of_a_file_does_not_hold_us(root: Root) -> None:
    root.remove("/etc/os-release")
    os.mkfifo(root.real("/etc/os-release"))
    began = time.monotonic()
    assert keyed(machine(root.world()))["os"]["unknown"] == "not a regular file"
    assert time.monotonic() - began < 5


def test_a_folder_or_a_circle_of_links_is_a_reason_too(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    (tmp_path / "folder").mkdir()
    tree = Tree(tmp_path)
    assert tree.read("/a").why == "its symbolic links lead in a circle"
    assert tree.read("/folder").why == "not a regular file"
    assert tree.names("/nothing").why == "not there"


def test_gpus_are_counted_on_the_bus_and_no_nvidia_smi_is_run(root: Root) -> None:
    for number in range(8):
        root.gpu(number)
    root.gpu(20, kind="0x068000", device_file=False)  # an NVSwitch
    root.gpu(21, vendor="0x1a03", device_file=False)  # the board's own display
    root.write("/proc/driver/nvidia/version", DRIVER)
    root.write("/proc/driver/nvidia/gpus/0000:01:00.0/information", INFORMATION)
    root.write("/usr/bin/nvidia-smi", "#!/bin/sh\nexit 1\n", mode=0o755)
    path = str(root.real("/proc/driver/nvidia/gpus/0000:01:00.0/information"))
    runner = FakeRunner({("cat", path): INFORMATION})
    found = keyed(gpus(root.world(runner=runner)))
    assert found["gpus"]["value"] == 8
    assert found["gpu_devices"] == {"value": 8, "source": "/dev/nvidia*"}
    assert found["gpu_model"]["value"] == "NVIDIA H100 80GB HBM3"
    assert found["gpu_driver"] == {"value": "550.54.15", "source": "/proc/driver/nvidia/version"}
    assert found["nvidia_smi"]["value"] == "/usr/bin/nvidia-smi"
    assert runner.calls == [("cat", path)]


def test_a_driver_that_does_not_answer_is_said_so(root: Root) -> None:
    root.gpu(0)
    root.write("/proc/driver/nvidia/gpus/0000:01:00.0/information", INFORMATION)
    runner = FakeRunner()
    runner.hang("cat", str(root.real("/proc/driver/nvidia/gpus/0000:01:00.0/information")))
    found = keyed(gpus(root.world(runner=runner)))["gpu_model"]
    assert found["unknown"] == "the driver did not answer within 3 s"


def test_the_model_is_read_by_a_real_child(root: Root) -> None:
    root.gpu(0)
    root.write("/proc/driver/nvidia/gpus/0000:01:00.0/information", INFORMATION)
    found = keyed(gpus(root.world(runner=SystemRunner())))
    assert found["gpu_model"]["value"] == "NVIDIA H100 80GB HBM3"


def test_a_gpu_that_fell_off_the_bus_shows_as_a_difference(root: Root) -> None:
    root.gpu(0)
    root.gpu(1, device_file=False)
    found = keyed(gpus(root.world()))
    assert found["gpus"]["value"] == 2
    assert found["gpu_devices"] == {"value": 1, "source": "/dev/nvidia*", "note": "the bus shows 2 GPUs"}
    assert found["gpu_model"]["unknown"] == "the NVIDIA driver is not loaded"


def test_no_gpu_is_a_fact_and_no_bus_is_unknown(root: Root) -> None:
    assert keyed(gpus(root.world())) == {"gpus": {"value": 0, "source": "/sys/bus/pci/devices/*/vendor"}}
    root.remove("/sys/bus/pci/devices")
    assert keyed(gpus(root.world()))["gpus"]["unknown"] == "not there"
