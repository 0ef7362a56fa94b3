"""All of it on the oldest Python a node may have, with an empty environment; and what importing it loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.probes.support import python
from tests.lab.nvml.shapes import h100, with_mig
from tests.lab.nvml.state import Process
from tests.lab.require import unavailable

if TYPE_CHECKING:
    from aami_slurm.places import Places
    from tests.aami_slurm.probes.conftest import MakeDriver

HEAVY = ("argparse", "ctypes", "dataclasses", "json", "logging", "pathlib", "re", "socket", "subprocess", "tempfile",
         "threading", "typing")  # fmt: skip
NETWORK_NAMES = ("pwd", "grp", "getpass")

IMPORTS = """
from aami_slurm import gpus, inventory, probe, register
print(*sorted(sys.modules))
"""

LOOK = """
import json, os, time
from aami_slurm import gpus, inventory, maintenance, probe, register
from aami_slurm.clock import Clock
from aami_slurm.job import JobRun
from aami_slurm.places import Places

def work(ask):
    from aami_slurm.probes import gpus
    return gpus.read(ask)

def control(ask):
    from aami_slurm.probes import control
    return control.read(ask)

places, clock = Places(sys.argv[1]), Clock()
ask = {"nvml": sys.argv[2], "nvidia_smi": sys.argv[3]}
probes = probe.Probes(places, clock)
probes.start("gpus", work, ask, 20.0)
probes.start("slow", lambda ask: time.sleep(30), None, 0.3)
probes.start("bad", lambda ask: 1 // 0, None, 20.0)
probes.start("smi", work, dict(ask, nvml="libaami-none.so.1"), 20.0)
probes.start("control", control, ask, 20.0)
answers = probes.gather(clock.mono() + 20.0)
assert not maintenance.marked(places)
hang = register.look(places, clock, answers["gpus"], answers["control"], None)
made, changes = inventory.update(places, clock, "gpu-001", "boot", answers["gpus"].value, "bus")
assert inventory.load(places, "boot") == made
found = gpus.resolve(JobRun({"SLURM_JOB_ID": "1", "SLURM_JOB_GPUS": "1-2"}), made)
print(json.dumps({
    "kinds": {key: answer.kind for key, answer in answers.items()}, "words": answers["bad"].words,
    "nvml": answers["gpus"].value, "smi": answers["smi"].value, "hang": hang["verdict"], "changes": changes,
    "job": [gpu["uuid"] for gpu in found.gpus],
}))
"""


def _interpreters() -> list[str]:
    found = sorted(str(path) for path in Path.home().glob(".pyenv/versions/3.6.*/bin/python3.6"))
    working = [
        name
        for name in (*found, which("python3.6"))
        if name and subprocess.run([name, "-c", ""], capture_output=True, check=False).returncode == 0
    ]
    return [sys.executable, *working[:1]]


@pytest.fixture(params=["this", "3.6"])
def interpreter(request: pytest.FixtureRequest) -> str:
    found = _interpreters()
    if request.param == "3.6" and len(found) == 1:
        unavailable("no Python 3.6: the probes can't be tried on a node's oldest interpreter")
    return found[0 if request.param == "this" else 1]


def test_a_whole_look_without_an_environment(
    interpreter: str, places: Places, make_driver: MakeDriver
) -> None:
    state = with_mig(h100().with_fault("lost", gpu=7), 2, ("3g.40gb", "1g.10gb"))
    driver = make_driver(state.change(0, processes=(Process(1, 5 << 20, "büro\n"),)))
    done = python(interpreter, LOOK, places.root, driver.ask["nvml"], driver.ask["nvidia_smi"])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kinds"] == {
        "gpus": "answered", "slow": "late", "bad": "failed", "smi": "answered", "control": "answered",
    }  # fmt: skip
    assert told["words"] == "ZeroDivisionError: integer division or modulo by zero"
    assert [gpu["uuid"] for gpu in told["nvml"]["gpus"]] == [*(gpu.uuid for gpu in state.gpus[:7]), None]
    assert len(told["smi"]["gpus"]) == 8
    assert told["nvml"]["gpus"][0]["processes"][0]["name"] == "b?ro"
    assert told["changes"] == ["first look at the GPUs in this boot"]
    assert told["hang"] is None
    assert told["job"] == [state.gpus[1].uuid, state.gpus[2].uuid]


def test_importing_it_loads_nothing_heavy(interpreter: str) -> None:
    bare = set(python(interpreter, "print(*sorted(sys.modules))").stdout.split())
    loaded = set(python(interpreter, IMPORTS).stdout.split()) - bare
    assert "aami_slurm.probe" in loaded
    assert loaded.isdisjoint({*HEAVY, *NETWORK_NAMES})
