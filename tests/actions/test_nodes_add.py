"""`nodes add`: written whole or not at all, and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aami_hpc.actions import nodes_add
from aami_hpc.config import Settings, load
from aami_hpc.errors import HostsFileInvalid, NodeConflict, StorageFault, UsageFault

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.actions.result import Result

CONFIG = "# mine\nnodes:\n  gpu-[001-004]: {gpus: 8}  # old\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def _one(path: Path, name: str, address: str = "10.0.0.9", *pairs: tuple[str, str]) -> Result:
    return nodes_add.one(load(path, environ={}), path, {}, name=name, address=address, pairs=pairs)


def test_one_node(path: Path) -> None:
    result = _one(path, "gpu-009", "10.0.0.9", ("gpus", "8"), ("model", "h100"), ("rack", "r12"))
    assert result.data == {"added": ["gpu-009"], "file": str(path), "previous": f"{path}.previous"}
    added = load(path, environ={}).nodes.entries[-1]
    assert (added.range, added.address, added.gpus, added.model) == ("gpu-009", "10.0.0.9", 8, "h100")
    assert added.labels == {"rack": "r12"}
    assert path.read_text().startswith(CONFIG)


def test_the_first_node_makes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    result = nodes_add.one(Settings(), path, {}, name="n1", address="n1.site")
    assert result.data == {"added": ["n1"], "file": str(path), "previous": None}
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", ["gpu-003", "gpu-001"])
def test_a_node_that_is_there(path: Path, name: str) -> None:
    with pytest.raises(NodeConflict, match=r"config\.yaml:3"):
        _one(path, name)
    assert path.read_text() == CONFIG


@pytest.mark.parametrize(
    ("name", "address", "pairs"),
    [
        ("ALL", "10.0.0.1", ()),
        ("n1", "10.0.0", ()),
        ("n[1-2]", "10.0.0.1", ()),
        ("n1", "10.0.0.1", (("gpus", "x"),)),
    ],
)
def test_what_can_not_be(path: Path, name: str, address: str, pairs: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(UsageFault):
        _one(path, name, address, *pairs)
    assert path.read_text() == CONFIG


def test_a_file_of_nodes(path: Path, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text(
        "".join(f"n{number} 10.1.{number // 256}.{number % 256} gpus=8\n" for number in range(1000))
    )
    result = nodes_add.file(load(path, environ={}), path, {}, path=hosts)
    assert len(result.data["added"]) == 1000
    assert len(load(path, environ={}).nodes.entries) == 1001


def test_one_bad_line_and_nothing_is_added(path: Path, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("n1 10.0.0.1\ngpu-002 10.0.0.2\nn3\n")
    with pytest.raises(HostsFileInvalid) as caught:
        nodes_add.file(load(path, environ={}), path, {}, path=hosts)
    assert "line 2: gpu-002 is in the configuration already; line 3: 'n3' has no address" in str(caught.value)
    assert path.read_text() == CONFIG


def test_a_file_without_nodes_and_no_file(path: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# none\n")
    with pytest.raises(UsageFault, match="names no node"):
        nodes_add.file(load(path, environ={}), path, {}, path=tmp_path / "empty.txt")
    with pytest.raises(StorageFault):
        nodes_add.file(load(path, environ={}), path, {}, path=tmp_path / "gone.txt")
