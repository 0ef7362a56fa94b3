"""`nodes remove`: what the configuration defines, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aami_hpc.actions import nodes_remove
from aami_hpc.config import load
from aami_hpc.errors import ConfigError, ConfigInvalid, NodeConflict, UnknownNode, UsageFault
from tests.slurm.commands import install
from tests.slurm.fake import FakeNode, FakeSlurm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aami_hpc.actions.result import Result

CONFIG = """\
slurm: {{bin_dir: {bin_dir}}}
nodes:
  # the first rack
  gpu-[001-004]: {{gpus: 8}}  # old
  login1:
    address: 10.0.0.1
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(bin_dir=install(tmp_path / "bin")))
    return path


def _remove(path: Path, expression: str, asked: list[Sequence[str]] | None = None) -> Result:
    runner = FakeSlurm([FakeNode("gpu-001"), FakeNode("gpu-009")])
    confirm = (asked if asked is not None else []).append
    return nodes_remove.run(load(path, environ={}), path, runner, {}, expression=expression, confirm=confirm)


def test_a_part_of_a_range_and_a_whole_entry(path: Path) -> None:
    asked: list[Sequence[str]] = []
    before = path.read_text()
    result = _remove(path, "gpu-[002-003],login1", asked)
    assert asked == [["gpu-002", "gpu-003", "login1"]]
    assert result.data == {
        "removed": ["gpu-002", "gpu-003", "login1"],
        "still_in_slurm": [],
        "file": str(path),
        "previous": f"{path}.previous",
    }
    assert path.read_text() == before.replace("gpu-[001-004]", "gpu-[001,004]").replace(
        "  login1:\n    address: 10.0.0.1\n", ""
    )


def test_a_node_that_slurm_defines_too_is_still_there(path: Path) -> None:
    result = _remove(path, "gpu-001")
    assert result.data["still_in_slurm"] == ["gpu-001"]


@pytest.mark.parametrize("expression", ["gpu-009", "gpu-[001-002],gpu-009", "@state:idle"])
def test_a_node_that_slurm_alone_defines(path: Path, expression: str) -> None:
    asked: list[Sequence[str]] = []
    before = path.read_text()
    with pytest.raises(NodeConflict, match="gpu-009 can't be removed here"):
        _remove(path, expression, asked)
    assert path.read_text() == before
    assert asked == []


def test_a_node_nobody_knows(path: Path) -> None:
    with pytest.raises(UnknownNode):
        _remove(path, "gpu-[004-005]")


def test_a_group_without_nodes(path: Path) -> None:
    with pytest.raises(UsageFault, match="no node at the moment"):
        _remove(path, "@state:maint")


def test_who_says_no_changes_nothing(path: Path) -> None:
    class NoError(Exception):
        pass

    def no(_: Sequence[str]) -> None:
        raise NoError

    before = path.read_text()
    with pytest.raises(NoError):
        nodes_remove.run(load(path, environ={}), path, FakeSlurm([]), {}, expression="login1", confirm=no)
    assert path.read_text() == before


def test_a_node_of_a_drop_in_is_not_touched(path: Path) -> None:
    folder = path.parent / "config.d"
    folder.mkdir()
    (folder / "10-more.yaml").write_text("nodes: {gpu-004: {gpus: 4}, more1: {gpus: 1}}\n")
    for expression in ("more1", "gpu-004"):
        with pytest.raises(ConfigError, match=r"10-more\.yaml:1"):
            _remove(path, expression)


def test_a_group_that_would_lead_nowhere_stops_it(path: Path) -> None:
    path.write_text(path.read_text() + "groups: {role: {login: login1}}\n")
    before = path.read_text()
    with pytest.raises(ConfigInvalid, match=r"groups\.role\.login"):
        _remove(path, "login1")
    assert path.read_text() == before
