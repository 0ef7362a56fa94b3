"""Faults of GPUs as the driver's library and its program tell them, through the probe to the finding."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aami_slurm import checks
from aami_slurm.probes import gpus
from tests.aami_slurm.checks.worlds import MONO_US, found, healthy
from tests.lab.nvml.build import build
from tests.lab.nvml.faults import GPU_FAULTS
from tests.lab.nvml.shapes import h100

if TYPE_CHECKING:
    from aami_slurm.facts import Facts
    from tests.lab.nvml.state import GpuState

ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from aami_slurm.probes import gpus
print(json.dumps(gpus.read(json.loads(sys.argv[2]))))
"""
OF_GPUS = [name for name in checks.TABLE if "gpus" in checks.load(name).NEEDS]
# What a fault of GPU 5 makes each check say; a check that isn't named says nothing.
SAYS: dict[str, dict[str, tuple[str, str]]] = {
    "lost": {"gpu-count": ("fail", "gpu-lost")},
    "removed": {"gpu-count": ("fail", "gpu-lost")},
    "ecc-uncorrectable": {
        "ecc-uncorrectable": ("fail", "ecc"),
        "recovery-action": ("fail", "recovery"),
        "row-remap-pending": ("warn", "remap-due"),
    },
    "ecc-corrected": {},
    "ecc-off": {},
    "row-remap-pending": {"row-remap-pending": ("warn", "remap-due")},
    "row-remap-failure": {"row-remap-failure": ("fail", "remap")},
    "nvlink-down": {"nvlink-down": ("fail", "nvlink")},
    "nvlink-all-down": {"nvlink-down": ("fail", "nvlink")},
    "nvlink-errors": {},
    "hw-thermal": {"thermal": ("warn", "thermal")},
    "sw-thermal": {},
    "power-cap": {},
    "needs-reset": {"recovery-action": ("fail", "recovery")},
    "needs-reboot": {"recovery-action": ("fail", "recovery")},
    "needs-drain-p2p": {"recovery-action": ("warn", "recovery")},
    "needs-drain-and-reset": {"recovery-action": ("fail", "recovery")},
    "needs-imex": {"recovery-action": ("warn", "recovery")},
    "recovery-unknown": {},
    "inforom-corrupted": {},
    "denied": {"gpu-count": ("error", "gpu-trouble")},
    "unreachable": {"gpu-count": ("error", "gpu-trouble")},
}


@pytest.fixture
def stub(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    made = build().install(tmp_path)
    return tmp_path / "fake-gpu.state", {"nvml": str(made.library), "nvidia_smi": str(made.program)}


def broken(fault: str) -> GpuState:
    well = h100()
    return replace(
        well, gpus=tuple(GPU_FAULTS[fault](gpu) if place == 5 else gpu for place, gpu in enumerate(well.gpus))
    )


def asked(ask: dict[str, Any]) -> dict[str, Any]:
    """In a process of its own: a library that was loaded here would serve other tests under the same name."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(Path(gpus.__file__).parents[2]), json.dumps(ask)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def look(stub: tuple[Path, dict[str, Any]], state: GpuState, before: dict[str, Any] | None = None) -> Facts:
    """Facts of a health run: the inventory of a healthy look, the reading of now."""
    state.write(stub[0])
    facts = healthy()
    facts.gpus = asked(stub[1])
    facts.gpus["mono_us"] = MONO_US
    known = (before or facts.gpus)["gpus"]
    facts.inventory = {
        "source": (before or facts.gpus)["source"],
        "gpus": [{**row, "slurm_index": row["nvml_index"], "present": True} for row in known],
    }
    return facts


def said(facts: Facts) -> dict[str, list[tuple[str, str, int | None]]]:
    told = {
        name: [(one["outcome"], one["code"], one["gpu"]) for one in found(name, facts)] for name in OF_GPUS
    }
    return {name: findings for name, findings in told.items() if findings}


@pytest.mark.parametrize("tool", ["library", "program"])
@pytest.mark.parametrize("fault", SAYS)
def test_a_fault_of_one_gpu_makes_the_checks_say_this_and_nothing_else(
    stub: tuple[Path, dict[str, Any]], fault: str, tool: str
) -> None:
    if tool == "program":
        stub[1]["nvml"] = "libnone.so.1"
    before = look(stub, h100())
    assert said(before) == {}, "a healthy node"
    facts = look(stub, broken(fault), before.gpus)
    assert said(facts) == {name: [(*expected, 5)] for name, expected in SAYS[fault].items()}


def test_a_reading_that_is_all_ones_is_doubted_not_believed(stub: tuple[Path, dict[str, Any]]) -> None:
    before = look(stub, h100())
    told = said(look(stub, broken("garbage"), before.gpus))
    outcomes = {
        outcome for name, findings in told.items() for outcome, _, _ in findings if name != "gpu-identity"
    }
    assert outcomes == {"error"}
    assert {"recovery-action", "thermal"} <= set(told)


def test_every_fault_that_is_about_a_check_is_tried() -> None:
    other = {
        "hang", "hang-in-calls", "cold-start", "ecc-sram-threshold", "page-retirement-pending", "fabric-not-started",
        "pcie-narrow", "pcie-replays", "power-brake", "leftover-process", "hostile-process", "garbage",
    }  # fmt: skip
    assert set(GPU_FAULTS) == set(SAYS) | other
