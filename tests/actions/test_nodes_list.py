"""`nodes list`: folded rows, what is missing, and its JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.actions import nodes_list
from aami_hpc.errors import SlurmNotFound, SlurmUnreachable, UnknownNode
from aami_hpc.io.run import SystemRunner
from aami_hpc.render.document import Table, tone, words
from aami_hpc.render.plain import to_text
from aami_hpc.testing import FakeClock
from tests.fleet.worlds import settings
from tests.slurm.commands import install, install_silent
from tests.slurm.fake import FakeNode, FakeSlurm

if TYPE_CHECKING:
    from aami_hpc.actions.result import Result

KEYS = [
    "name",
    "address",
    "partitions",
    "gpus",
    "gpu_model",
    "cpus",
    "memory_mb",
    "os",
    "arch",
    "slurm_version",
    "ssh_user",
    "ssh_port",
    "state",
    "labels",
    "exporters",
    "alerts",
    "origin",
]
STATE_KEYS = ["words", "base", "flags", "absent", "reason", "user", "since", "age_s"]


def _list(folder: Path, text: str = "", **options: Any) -> Result:
    told = settings(folder, f"slurm: {{bin_dir: {folder / 'bin'}, timeout: 30s}}\n{text}")
    return nodes_list.run(told, SystemRunner(), {}, clock=FakeClock(), **options)


def _names(result: Result) -> list[str]:
    return [node["name"] for node in result.data]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    install(tmp_path / "bin")
    return tmp_path


def test_keys_are_stable(recorded: Path) -> None:
    result = _list(recorded, "nodes: {login1: {address: 10.0.0.1}}\n")
    assert {tuple(node) for node in result.data} == {tuple(KEYS)}
    assert {tuple(node["state"]) for node in result.data if node["state"]} == {tuple(STATE_KEYS)}
    drained = next(node["state"] for node in result.data if node["name"] == "gpu-001")
    assert (drained["words"], drained["base"], drained["flags"]) == ("IDLE+DRAIN", "IDLE", ["DRAIN"])
    assert drained["user"] == "root"
    assert drained["since"].endswith("Z")
    login = result.data[-2]
    assert (login["name"], login["state"], login["gpus"], login["arch"]) == ("login1", None, None, None)


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "nodes.md").read_text()
    assert [key for key in (*KEYS, *STATE_KEYS) if f"`{key}`" not in page] == []


def test_a_range_and_conditions(recorded: Path) -> None:
    assert _names(_list(recorded, expression="@partition:gpu!gpu-[004-005]")) == [
        "gpu-001",
        "gpu-002",
        "gpu-003",
    ]
    assert _names(_list(recorded, expression="@partition:gpu", where="state=idle,mix state!=drain,fail")) == [
        "gpu-002",
        "gpu-003",
        "gpu-004",
    ]
    empty = _list(recorded, where="state=maint")
    assert empty.data == []
    assert to_text(empty.document) == "No node matches.\n"


def test_a_typo_is_an_error_not_an_empty_list(recorded: Path) -> None:
    with pytest.raises(UnknownNode):
        _list(recorded, expression="gpu-1")


def test_ten_thousand_equal_nodes_are_one_row(tmp_path: Path) -> None:
    install(tmp_path / "bin")
    runner = FakeSlurm(FakeNode(f"gpu-{number:05d}") for number in range(10_000))
    told = settings(tmp_path, f"slurm: {{bin_dir: {tmp_path / 'bin'}}}\n")
    result = nodes_list.run(told, runner, {})
    assert len(result.data) == 10_000
    rows = to_text(result.document).splitlines()
    assert rows[1].split() == [
        "gpu-[00000-09999]",
        "10000",
        "10.0.0.9",
        "-",
        "8",
        "h100",
        "IDLE",
        "n/a",
        "n/a",
    ]
    assert len(rows) == 4
    unfolded = nodes_list.run(told, runner, {}, unfolded=True)
    assert len(to_text(unfolded.document).splitlines()) == 10_003


def test_a_set_without_a_pattern_is_cut_and_the_table_says_so(tmp_path: Path) -> None:
    install(tmp_path / "bin")
    runner = FakeSlurm(FakeNode(f"n{number**2}") for number in range(200))
    told = settings(tmp_path, f"slurm: {{bin_dir: {tmp_path / 'bin'}}}\n")
    text = to_text(nodes_list.run(told, runner, {}).document)
    row = next(line for line in text.splitlines() if line.startswith("n[0-1,4,9,16,"))
    assert "…]" not in row
    assert row.split()[0].endswith(",…")
    assert len(row) < 250
    assert "--unfolded and --json have all of their nodes" in text


def test_addresses_fold_with_the_names(tmp_path: Path) -> None:
    text = "nodes:\n" + "".join(
        f"  n{number}: {{address: 10.0.0.{number}, gpus: 8}}\n" for number in range(1, 5)
    )
    rows = to_text(_list(tmp_path, text).document).splitlines()
    assert rows[1].split()[:3] == ["n[1-4]", "4", "10.0.0.[1-4]"]
    rows = to_text(_list(tmp_path, "nodes: {'n[1-4]': {gpus: 8}}\n").document).splitlines()
    assert "as name" in rows[1]
    text = "nodes: {a1: {address: '::1'}, a2: {address: '::2'}, b: {address: '::3', gpus: 1}}\n"
    rows = to_text(_list(tmp_path, text).document).splitlines()
    assert "2 addresses" in rows[1]
    assert "::3" in rows[2]


def test_without_slurm_the_configuration_is_listed_and_the_list_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    result = _list(tmp_path, "nodes: {n1: {gpus: 8}}\n", warn=said.append)
    text = to_text(result.document)
    assert "not in Slurm" in text
    assert "Without Slurm, only the configuration's nodes" in text
    assert said
    assert said[0] in text
    assert result.yes


def test_with_a_silent_slurm_the_list_is_incomplete_and_says_so(tmp_path: Path) -> None:
    install_silent(tmp_path / "bin")
    result = _list(tmp_path, "nodes: {n1: {gpus: 8}}\n")
    text = to_text(result.document)
    assert "unknown" in text
    assert "Incomplete, only the configuration's nodes: Slurm's controller head1 does not answer" in text
    with pytest.raises(SlurmUnreachable):
        _list(tmp_path)


def test_no_node_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SlurmNotFound):
        _list(tmp_path)


def test_absent_nodes_are_no_alarm(recorded: Path) -> None:
    result = _list(recorded, expression="cloud1,future1,gpu-001")
    table = result.document[0]
    assert isinstance(table, Table)
    tones = {words(row[0]): tone(row[5]) for row in table.rows}
    assert tones == {"cloud1": "dim", "future1": "dim", "gpu-001": "warn"}


def test_a_long_reason_is_cut_in_the_table_alone(tmp_path: Path) -> None:
    install(tmp_path / "bin")
    runner = FakeSlurm([FakeNode("n1", "IDLE+DRAIN", "x" * 3000)])
    told = settings(tmp_path, f"slurm: {{bin_dir: {tmp_path / 'bin'}}}\n")
    result = nodes_list.run(told, runner, {})
    assert result.data[0]["state"]["reason"] == "x" * 3000
    assert max(map(len, to_text(result.document).splitlines())) < 200
