"""What this machine can't run is skipped loudly, and nothing is skipped where the lab is required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.ledger import LabUnavailable
from tests.lab.require import REQUIRED, lab

CLONE = Path(__file__).resolve().parent.parent.parent


def test_what_is_missing_is_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="lab: no debootstrap"), lab():
        raise LabUnavailable("no debootstrap")


def test_where_the_lab_is_required_it_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="lab: no debootstrap"), lab():
        raise LabUnavailable("no debootstrap")


@pytest.mark.lab
@pytest.mark.parametrize("required", ["0", "1"])
def test_the_end_of_a_run_names_what_was_not_run(tmp_path: Path, required: str) -> None:
    """No debootstrap in PATH and no tree in the cache: the newer releases can't be had."""
    empty = {"PATH": str(tmp_path), "AAMI_LAB_CACHE": str(tmp_path / "cache"), REQUIRED: required}
    node = "tests/lab/test_slurm_cluster.py::test_a_drained_node_shows_with_its_reason[24.11]"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", node],
        cwd=CLONE,
        env={**os.environ, **empty},
        capture_output=True,
        text=True,
        check=False,
    )
    if required == "1":
        assert done.returncode == 1, done.stdout
        assert "lab: debootstrap is not installed (AAMI_LAB_REQUIRED=1 allows no skip)" in done.stdout
    else:
        assert done.returncode == 0, done.stdout
        assert "parts of the lab that this machine could not run" in done.stdout
        assert "1 skipped: debootstrap is not installed" in done.stdout
