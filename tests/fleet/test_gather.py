"""The inventory with and without a Slurm that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aami_hpc.errors import NodeError, SlurmNotFound, SlurmUnreachable
from aami_hpc.fleet.gather import gather
from aami_hpc.io.run import SystemRunner
from tests.fleet.worlds import settings
from tests.slurm.commands import install, install_silent

if TYPE_CHECKING:
    from pathlib import Path

NODES = "nodes: {login1: {address: 10.0.0.1}}\n"


def _text(bin_dir: Path, rest: str = "") -> str:
    return f"slurm: {{bin_dir: {bin_dir}, timeout: 30s}}\n{rest}"


def test_slurm_and_configuration(tmp_path: Path) -> None:
    told = settings(tmp_path, _text(install(tmp_path / "bin"), NODES))
    gathered = gather(told, SystemRunner(), {})
    assert len(gathered.inventory.nodes) == 12
    assert gathered.remark == ""
    assert not gathered.partial


def test_a_silent_slurm_leaves_the_configurations_nodes_and_says_so(tmp_path: Path) -> None:
    told = settings(tmp_path, _text(install_silent(tmp_path / "bin"), NODES))
    gathered = gather(told, SystemRunner(), {})
    assert [node.name for node in gathered.inventory.nodes] == ["login1"]
    assert gathered.partial
    assert gathered.remark.startswith("Incomplete, only the configuration's nodes: Slurm's controller head1")


@pytest.mark.parametrize("expression", ["gpu-001", "@partition:gpu"])
def test_what_only_slurm_could_know_is_not_called_a_typo(tmp_path: Path, expression: str) -> None:
    told = settings(tmp_path, _text(install_silent(tmp_path / "bin"), NODES))
    with pytest.raises(NodeError, match="Slurm could not be asked: Slurm's controller head1 does not answer"):
        gather(told, SystemRunner(), {}).chosen(expression)


def test_no_slurm_at_all_is_not_incomplete(tmp_path: Path) -> None:
    told = settings(tmp_path, _text(tmp_path / "none", NODES))
    gathered = gather(told, SystemRunner(), {})
    assert not gathered.partial
    assert gathered.remark.startswith("Without Slurm")


def test_no_node_known_at_all(tmp_path: Path) -> None:
    with pytest.raises(SlurmNotFound, match="nodes add"):
        gather(settings(tmp_path, _text(tmp_path / "none")), SystemRunner(), {})
    with pytest.raises(SlurmUnreachable):
        gather(settings(tmp_path, _text(install_silent(tmp_path / "down"))), SystemRunner(), {})


def test_a_slurm_that_names_no_node(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("scontrol", "sinfo"):
        (folder / program).write_text(
            "#!/bin/sh\n[ $1 = ping ] && echo 'Slurmctld(primary) at head1 is UP'; exit 0\n"
        )
        (folder / program).chmod(0o755)
    with pytest.raises(NodeError, match="PrivateData"):
        gather(settings(tmp_path, _text(folder)), SystemRunner(), {})
