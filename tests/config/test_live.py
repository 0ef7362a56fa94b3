"""`config check --live`: what Slurm and the files named say against the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aami_hpc.actions.config_live import disagreements
from aami_hpc.config.examine import examine
from aami_hpc.errors import SlurmUnreachable
from aami_hpc.model.node import Node
from tests.config.support import write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aami_hpc.model.slurm import Controller, Partition


class Slurm:
    """Knows sixteen nodes, or is silent."""

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent

    def nodes(self) -> tuple[Node, ...]:
        if self._silent:
            raise SlurmUnreachable(
                "The controller does not answer", cause="No reply in 3 s", hint="Look at slurmctld"
            )
        return tuple(Node(f"gpu-{number:03d}") for number in range(1, 17))

    def version(self) -> str:
        return "22.05.8"

    def config(self) -> Mapping[str, str]:
        return {}

    def controllers(self) -> tuple[Controller, ...]:
        return ()

    def partitions(self) -> tuple[Partition, ...]:
        return ()


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / ".ssh/known_hosts", "")


def told(tmp_path: Path, text: str, *, silent: bool = False) -> list[str]:
    examined = examine(write(tmp_path / "config.yaml", text), environ={})
    assert not examined.problems
    found = disagreements(examined, lambda: Slurm(silent=silent))
    return [f"{problem.where.removeprefix(str(tmp_path))} {problem.what}" for problem in found.problems]


def test_a_range_that_slurm_does_not_know(tmp_path: Path) -> None:
    text = "nodes:\n  gpu-[001-020]:\n  far-[1-4],gpu-001:\ngroups:\n  rack:\n    r1: gpu-016,gpu-[001-002]\n    r2: far-1\n"
    nothing = "which matches no node that Slurm knows"
    assert told(tmp_path, text) == [
        f"/config.yaml:3 nodes.far-[1-4],gpu-001 has the range far-[1-4], {nothing}",
        f"/config.yaml:7 groups.rack.r2 has the range far-1, {nothing}",
    ]


def test_a_silent_slurm_is_a_problem_of_its_own(tmp_path: Path) -> None:
    assert told(tmp_path, "nodes: {far-1: }", silent=True) == [
        "Slurm The controller does not answer. No reply in 3 s"
    ]


def test_files_that_ssh_names_must_be_there(tmp_path: Path) -> None:
    write(tmp_path / "id", "")
    text = (
        f"ssh:\n  identity_files: [{tmp_path}/id, {tmp_path}/gone]\n  known_hosts: {tmp_path}/none\n"
        f"  config_file: {tmp_path}/id\n"
    )
    assert told(tmp_path, text) == [
        f"/config.yaml:2 ssh.identity_files names {tmp_path}/gone, which is not there",
        f"/config.yaml:3 ssh.known_hosts names {tmp_path}/none, which is not there",
    ]


def test_no_known_hosts_at_all_is_worth_a_remark(tmp_path: Path) -> None:
    examined = examine(write(tmp_path / "config.yaml", ""), environ={})
    assert not disagreements(examined, Slurm).warnings
    (tmp_path / ".ssh/known_hosts").unlink()
    (warning,) = disagreements(examined, Slurm).warnings
    assert "no node's key is known" in warning.what
