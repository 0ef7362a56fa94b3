"""Whose process it is: by the groups that slurmstepd makes, not by groups that users make for themselves."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_slurm import cgroup
from aami_slurm.state import MICRO

if TYPE_CHECKING:
    from pathlib import Path

SLUID = "sAMB9Q4C7P1G00"
RUNS: dict[str, dict[str, Any]] = {
    "7.0": {"job_id": 7, "restart": 0, "sluid": None, "start_mono_us": 1},
    "7.1": {"job_id": 7, "restart": 1, "sluid": None, "start_mono_us": 5},
    "8.0": {"job_id": 8, "restart": 0, "sluid": SLUID, "start_mono_us": 2},
}


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0", "7.1"),
        ("0::/system.slice/gpu-001_slurmstepd.scope/job_8/step_batch/user", "8.0"),
        (f"0::/system.slice/slurmstepd.scope/{SLUID}/step_0/user/task_0", "8.0"),
        (
            "9:memory:/slurm/uid_1000/job_7/step_0\n8:pids:/\n1:name=systemd:/system.slice/slurmd.service",
            "7.1",
        ),
        ("9:memory:/slurm_gpu-001/uid_1000/job_8/step_0/task_0", "8.0"),
        ("0::/system.slice/slurmstepd.scope/job_7/step_0/user/slurmstepd.scope/job_8", "7.1"),
        ("0::/system.slice/slurmstepd.scope/job_99/step_0", None),
        ("0::/system.slice/slurmstepd.scope", None),
        ("0::/system.slice/sshd.service", None),
        ("0::/user.slice/user-1000.slice/user@1000.service/slurmstepd.scope/job_7", None),
        ("0::/user.slice/slurm/uid_1000/job_7", None),
        ("0::/slurm/job_7", None),
        ("0::/slurm/uid_1000", None),
        ("9:memory:/slurm/uid_1000/job_7\n8:pids:/slurm/uid_1000/job_8", None),
        ("0::/", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_a_group_tells_its_job(group: str, expected: str | None) -> None:
    assert cgroup.run_of(cgroup.job_names(group), RUNS) == expected


@given(st.text(max_size=80))
def test_any_text_is_read(group: str) -> None:
    assert cgroup.run_of(cgroup.job_names(group), RUNS) in {None, *RUNS}


@given(
    st.lists(st.sampled_from(["slurmstepd.scope", "job_7", "slurm", "uid_1000", "step_0", "x"]), max_size=6)
)
def test_nothing_below_a_users_own_session_counts(parts: list[str]) -> None:
    path = "/".join(["0::/user.slice/user-1000.slice/user@1000.service", *parts])
    assert cgroup.run_of(cgroup.job_names(path), RUNS) is None


def process(proc: Path, pid: int, *, began: float, comm: str = "python", group: str) -> None:
    """A process as /proc tells of it; `began` is seconds since boot."""
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    ticks = int(began * os.sysconf("SC_CLK_TCK"))
    (folder / "stat").write_text(f"{pid} ({comm}) S 1 " + "0 " * 17 + f"{ticks} 0 0\n")
    (folder / "cgroup").write_text(group + "\n")


def test_a_process_that_was_there_is_its_jobs(tmp_path: Path) -> None:
    group = "0::/system.slice/slurmstepd.scope/job_8/step_0"
    process(tmp_path, 41, began=100, comm="a) R 1 (b", group=group)
    assert cgroup.job_key(str(tmp_path), 41, RUNS, 150 * MICRO) == "8.0"
    assert cgroup.job_key(str(tmp_path), 42, RUNS, 150 * MICRO) is None


def test_a_process_that_began_after_the_event_only_has_the_same_number(tmp_path: Path) -> None:
    process(tmp_path, 41, began=200, group="0::/system.slice/slurmstepd.scope/job_8/step_0")
    assert cgroup.job_key(str(tmp_path), 41, RUNS, 150 * MICRO) is None


@pytest.mark.parametrize("told", ["", "41", "41 (x) S", "41 (x) S " + "x " * 30])
def test_a_process_whose_age_cannot_be_told_is_nobodys(tmp_path: Path, told: str) -> None:
    process(tmp_path, 41, began=1, group="0::/system.slice/slurmstepd.scope/job_8/step_0")
    (tmp_path / "41/stat").write_text(told)
    assert cgroup.job_key(str(tmp_path), 41, RUNS, 150 * MICRO) is None


def test_this_process_began_before_now() -> None:
    began = cgroup._started_us(f"/proc/{os.getpid()}/stat")
    assert began is not None
    assert 0 < began < time.monotonic() * MICRO
