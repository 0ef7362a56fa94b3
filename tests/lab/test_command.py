"""`make lab` for people: a cluster that stays until it is told to go, and only that one goes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.ledger import ROOT, owner

if TYPE_CHECKING:
    from tests.lab.slurm import SlurmCluster

pytestmark = pytest.mark.lab

CLONE = Path(__file__).resolve().parent.parent.parent


def _lab(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.lab", *words]
    return subprocess.run(argv, cwd=CLONE, capture_output=True, text=True, check=False, timeout=120)


def test_a_cluster_in_the_background_from_up_to_down(slurm_2205: SlurmCluster) -> None:
    up = _lab("up", "--detach", "--release", "24.11", "--nodes", "2", "--gpus", "4")
    assert up.returncode == 0, up.stderr + up.stdout
    name = up.stdout.partition(":")[0]
    assert "Slurm 24.11" in up.stdout
    try:
        script = "".join(line for line in up.stdout.splitlines(keepends=True) if "export" in line)
        shell = subprocess.run(
            ["sh", "-e"],
            input=script + "sinfo -h -N -o '%N %G'",
            capture_output=True,
            text=True,
            check=True,
        )
        assert shell.stdout.splitlines() == ["gpu-001 gpu:h100:4", "gpu-002 gpu:h100:4"]
        assert re.search(rf"^{name} .*Slurm 24\.11\S* +2 nodes", _lab("list").stdout, re.MULTILINE)
        wrong = _lab("down", "up-nosuch")
        assert (wrong.returncode, "no such cluster: up-nosuch" in wrong.stderr) == (1, True)
    finally:
        down = _lab("down", name)
    assert (down.returncode, down.stdout) == (0, f"{name} is down\n")
    assert not (ROOT / name).exists()
    assert set(slurm_2205.node_states().values()) == {"IDLE"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_a_signal_ends_it(number: signal.Signals) -> None:
    argv = [sys.executable, "-u", "-m", "tests.lab", "up", "--nodes", "1"]
    with subprocess.Popen(argv, cwd=CLONE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "is up" in line)
        folder = ROOT / said.partition(":")[0]
        assert owner(folder) is not None
        assert next(line for line in process.stdout if "Ctrl-C" in line)
        process.send_signal(number)
        assert process.wait(60) == 0
    assert not folder.exists()


def test_a_cluster_that_can_t_start_says_why() -> None:
    up = _lab("up", "--detach", "--nodes", "100000")
    assert up.returncode == 1
    assert "error: no 100003 free ports" in up.stdout
