"""Slurm and the configuration merged, and what a person's words for nodes mean in it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from aami_hpc.config import Settings
from aami_hpc.errors import AamiError, ConfigInvalid, NodeSetSyntax, UnknownGroup, UnknownNode
from aami_hpc.fleet.inventory import Inventory, build
from tests.fleet.worlds import settings, slurm_node

CONFIG = """\
nodes:
  gpu-[001-004]:
    address: "{name}.mgmt"
    labels: {rack: r12, power: "a b"}
  gpu-002:
    gpus: 7
    labels: {rack: r13}
    ssh_port: 2222
  login1:
    address: 10.0.0.1
    partitions: [interactive]
    labels: {partition: x, role: login}
groups:
  rack: {r14: "gpu-[003-004]", r12: "login1"}
  row: {"1": "gpu-[001-002],login1"}
"""

SLURM = (
    slurm_node("gpu-010"),
    slurm_node("gpu-001", "IDLE+DRAIN", "gpu", "all"),
    slurm_node("gpu-002", "MIXED"),
    slurm_node("gpu-003", "DOWN+NOT_RESPONDING"),
    slurm_node("gpu-004", "MIXED+DRAIN"),
    slurm_node("cloud1", "IDLE+CLOUD+POWERED_DOWN", "cloud", gpus=0),
)


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    with tempfile.TemporaryDirectory() as folder:
        return build(settings(Path(folder), CONFIG), SLURM)


def _names(inventory: Inventory, text: str) -> list[str]:
    return [node.name for node in inventory.select(text)]


def test_all_nodes_of_both_in_natural_order(inventory: Inventory) -> None:
    assert [node.name for node in inventory.nodes] == [
        "cloud1",
        "gpu-001",
        "gpu-002",
        "gpu-003",
        "gpu-004",
        "gpu-010",
        "login1",
    ]


def test_the_configuration_wins_field_by_field_and_says_where(inventory: Inventory) -> None:
    node = inventory.get("gpu-002")
    assert node is not None
    assert (node.address, node.gpus, node.gpu_model, node.ssh_port) == ("gpu-002.mgmt", 7, "h100", 2222)
    assert node.labels == {"rack": "r13", "power": "a b"}
    lines = {key: origin.rpartition(":")[2] for key, origin in node.origin.items() if ":" in origin}
    assert lines == {"address": "3", "gpus": "6", "ssh_port": "8", "labels.rack": "7", "labels.power": "4"}
    assert node.origin["gpu_model"] == node.origin["name"] == node.origin["state"] == "slurm"


def test_a_node_of_the_configuration_alone(inventory: Inventory) -> None:
    node = inventory.get("login1")
    assert node is not None
    assert node.state is None
    assert node.gpus is None
    assert node.partitions == ("interactive",)
    assert node.origin["name"].endswith("config.yaml:9")


def test_a_node_without_an_address_is_called_by_its_name(tmp_path: Path) -> None:
    (node,) = build(settings(tmp_path, "nodes: {n1: {gpus: 4}}\n"), ()).nodes
    assert (node.address, node.origin["address"]) == ("n1", "the node's name")


def test_without_configuration_slurm_alone() -> None:
    assert [node.name for node in build(Settings(), SLURM[:2]).nodes] == ["gpu-001", "gpu-010"]


def test_get_knows_exact_names_only(inventory: Inventory) -> None:
    assert inventory.get("gpu-01") is None
    assert inventory.get("gpu-[001]") is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("gpu-001", ["gpu-001"]),
        ("gpu-[003,001]", ["gpu-001", "gpu-003"]),
        ("@partition:gpu", ["gpu-001", "gpu-002", "gpu-003", "gpu-004", "gpu-010"]),
        ("@partition:all", ["gpu-001"]),
        ("@partition:interactive", ["login1"]),
        ("@state:drain", ["gpu-001", "gpu-004"]),
        ("@state:drained", ["gpu-001"]),
        ("@state:draining", ["gpu-004"]),
        ("@state:mix", ["gpu-002", "gpu-004"]),
        ("@state:DOWN", ["gpu-003"]),
        ("@state:absent", ["cloud1"]),
        ("@state:powered_down", ["cloud1"]),
        ("@state:maint", []),
        ("@state:idle!@state:drain", ["cloud1", "gpu-010"]),
        ("@rack:r12", ["gpu-001", "gpu-003", "gpu-004", "login1"]),
        ("@rack:r[13-14]", ["gpu-002", "gpu-003", "gpu-004"]),
        ("@row:1&@rack:r12", ["gpu-001", "login1"]),
        ("@role:login,gpu-010", ["gpu-010", "login1"]),
        ("@rack:r12^gpu-[001-002]", ["gpu-002", "gpu-003", "gpu-004", "login1"]),
    ],
)
def test_select(inventory: Inventory, text: str, names: list[str]) -> None:
    assert _names(inventory, text) == names


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("gpu-005", UnknownNode, "Did you mean gpu-0"),
        ("gpu-[001-020]", UnknownNode, "gpu-[005-009,011-020]"),
        ("gpu-001!gpu-099", UnknownNode, "gpu-099"),
        ("gpu-001&gpu-099", UnknownNode, "gpu-099"),
        ("zzz", UnknownNode, "nodes list"),
        ("ALL", NodeSetSyntax, "every node"),
        ("@rck:r12", UnknownGroup, "Did you mean rack?"),
        ("@rack:r15", UnknownGroup, "r12, r13, r14"),
        ("@rack:r[12-15]", UnknownGroup, "@rack:r15"),
        ("@state:drian", UnknownGroup, "Did you mean drain"),
        ("@power:a", UnknownGroup, "There is no source"),
    ],
)
def test_select_refuses(inventory: Inventory, text: str, error: type[AamiError], said: str) -> None:
    with pytest.raises(error) as caught:
        inventory.select(text)
    assert said in str(caught.value)


def test_labels_do_not_pose_as_partitions_or_states(inventory: Inventory) -> None:
    with pytest.raises(UnknownGroup):
        inventory.select("@partition:x")


PIECES = st.sampled_from(
    [
        "gpu-",
        "[001-004]",
        "002",
        "@state:",
        "drain",
        "@partition:gpu",
        "@rack:r",
        "1",
        "[",
        "]",
        ",",
        "!",
        "&",
        "^",
        "ALL",
        "*",
        " ",
    ]
)


@given(st.text() | st.lists(PIECES, max_size=8).map("".join))
@hypothesis_settings(max_examples=300)
def test_select_gives_nodes_of_the_inventory_or_an_error_of_ours(text: str) -> None:
    inventory = build(Settings(), SLURM)
    try:
        chosen = inventory.select(text)
    except AamiError:
        return
    assert all(any(node is known for known in inventory.nodes) for node in chosen)


@pytest.mark.parametrize("name", ["a[1-2],DEFAULT", "n1,ALL", "_n[1-2]"])
def test_a_configured_name_that_must_not_reach_a_command(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"config\.yaml:2"):
        build(settings(tmp_path, f'nodes:\n  "{name}": {{gpus: 8}}\n'), ())


def test_ten_thousand_nodes_from_both_sides(tmp_path: Path) -> None:
    told = settings(tmp_path, 'nodes:\n  "gpu-[00001-10000]": {labels: {rack: r1}}\n')
    inventory = build(told, [slurm_node(f"gpu-{number:05d}") for number in range(1, 10_001)])
    assert len(inventory.select("@rack:r1!gpu-[00001-09999]")) == 1
    with pytest.raises(UnknownNode, match="gpu-99999") as caught:
        inventory.select("gpu-99999")
    assert "Did you mean gpu-0" in caught.value.hint or "nodes list" in caught.value.hint
