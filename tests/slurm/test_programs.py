"""Where Slurm's commands are looked for, and what they see of the caller's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aami_hpc.config.sections.slurm import SlurmSection
from aami_hpc.errors import SlurmNotFound
from aami_hpc.slurm import programs
from aami_hpc.slurm.programs import find

if TYPE_CHECKING:
    from pathlib import Path


def _install(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(autouse=True)
def _no_usual_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "_USUAL", (str(tmp_path / "usual"),))


def test_the_configured_folder_wins(tmp_path: Path) -> None:
    mine = _install(tmp_path / "mine", "scontrol", "sinfo")
    other = _install(tmp_path / "other", "scontrol", "sinfo")
    found = find(SlurmSection(bin_dir=mine), {"PATH": str(other)})
    assert found.paths == {"scontrol": f"{mine}/scontrol", "sinfo": f"{mine}/sinfo"}


def test_a_configured_folder_without_commands_is_no_reason_to_use_others(tmp_path: Path) -> None:
    other = _install(tmp_path / "other", "scontrol", "sinfo")
    with pytest.raises(SlurmNotFound, match=r"slurm\.bin_dir") as caught:
        find(SlurmSection(bin_dir=tmp_path / "mine"), {"PATH": str(other)})
    assert str(tmp_path / "mine") in caught.value.cause
    assert str(other) not in caught.value.cause


def test_path_comes_before_the_usual_places(tmp_path: Path) -> None:
    _install(tmp_path / "usual", "scontrol", "sinfo")
    other = _install(tmp_path / "other", "scontrol")
    found = find(SlurmSection(), {"PATH": f"relative:{other}"})
    assert found.paths == {"scontrol": f"{other}/scontrol", "sinfo": f"{tmp_path}/usual/sinfo"}


def test_a_file_that_can_not_be_executed_is_no_command(tmp_path: Path) -> None:
    folder = _install(tmp_path / "usual", "scontrol", "sinfo")
    (folder / "sinfo").chmod(0o644)
    with pytest.raises(SlurmNotFound) as caught:
        find(SlurmSection(), {})
    assert caught.value.cause.startswith("No sinfo in ")


def test_a_users_settings_for_slurm_do_not_reach_the_commands(tmp_path: Path) -> None:
    folder = _install(tmp_path / "bin", "scontrol", "sinfo")
    environ = {
        "PATH": str(folder),
        "HOME": "/root",
        "LC_ALL": "de_DE.UTF-8",
        "TZ": "Asia/Seoul",
        "SLURM_TIME_FORMAT": "%s",
        "SLURM_CLUSTERS": "other",
        "SINFO_FORMAT": "%N",
        "SINFO_ALL": "1",
        "SCONTROL_FUTURE": "1",
        "SLURM_CONF": "/etc/other.conf",
    }
    assert find(SlurmSection(), environ).environ == {
        "PATH": str(folder),
        "HOME": "/root",
        "LC_ALL": "C",
        "TZ": "UTC",
        "SLURM_CONF": "/etc/other.conf",
    }


def test_slurm_conf_of_the_configuration_wins_over_the_environment(tmp_path: Path) -> None:
    folder = _install(tmp_path / "bin", "scontrol", "sinfo")
    section = SlurmSection(bin_dir=folder, conf=tmp_path / "slurm.conf")
    assert find(section, {"SLURM_CONF": "/etc/other.conf"}).environ["SLURM_CONF"] == str(
        tmp_path / "slurm.conf"
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("SlurmctldHost=head1(10.0.0.1)\nSlurmctldPort=6899\n", "head1:6899"),
        ("# SlurmctldHost=old\n  slurmctldhost = head1\nSlurmctldHost=head2\n", "head1:6817"),
        ("ControlMachine=head1,head2\nSlurmctldPort=7000-7003", "head1:7000"),
        ("ClusterName=x\n", ""),
    ],
)
def test_the_controller_by_slurm_conf(tmp_path: Path, text: str, where: str) -> None:
    folder = _install(tmp_path / "bin", "scontrol", "sinfo")
    conf = tmp_path / "slurm.conf"
    conf.write_text(text)
    assert find(SlurmSection(bin_dir=folder, conf=conf), {}).controller() == where


def test_no_slurm_conf_is_no_error(tmp_path: Path) -> None:
    folder = _install(tmp_path / "bin", "scontrol", "sinfo")
    assert find(SlurmSection(bin_dir=folder, conf=tmp_path / "none"), {}).controller() == ""
