"""Conditions on nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aami_hpc.errors import UnknownNode, UsageFault
from aami_hpc.fleet.inventory import Inventory, build
from aami_hpc.fleet.where import choose
from tests.fleet.worlds import settings, slurm_node

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    told = settings(
        tmp_path, "nodes: {'gpu[1-2]': {labels: {rack: r1, power: a b}}, login1: {address: 10.0.0.1}}\n"
    )
    return build(
        told,
        [
            slurm_node("gpu1", "IDLE+DRAIN", "gpu", "all"),
            slurm_node("gpu2", "MIXED+DRAIN"),
            slurm_node("gpu3", "DOWN*", gpus=4),
            slurm_node("gpu4", "IDLE+PLANNED"),
        ],
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("state=drain", ["gpu1", "gpu2"]),
        ("state=drained", ["gpu1"]),
        ("state=DOWN,mix", ["gpu2", "gpu3"]),
        ("state!=drain,down,planned", ["login1"]),
        ("state=none", ["login1"]),
        ("state=absent", ["gpu4"]),
        ("state=drain partition=all", ["gpu1"]),
        ("partition=gpu partition!=all", ["gpu2", "gpu3", "gpu4"]),
        ("gpus=4", ["gpu3"]),
        ("gpus!=8", ["gpu3", "login1"]),
        ("model=h100 gpus=8 state=planned", ["gpu4"]),
        ("name=gpu[1-3]!gpu2", ["gpu1", "gpu3"]),
        ("name!=@state:drain", ["gpu3", "gpu4", "login1"]),
        ("address=10.0.0.1", ["login1"]),
        ("rack=r1", ["gpu1", "gpu2"]),
        ("rack!=r1", ["gpu3", "gpu4", "login1"]),
        ("power='a b'", ["gpu1", "gpu2"]),
        ("  state=drain   rack=r1 ", ["gpu1", "gpu2"]),
    ],
)
def test_choose(inventory: Inventory, text: str, names: list[str]) -> None:
    assert [node.name for node in choose(inventory, inventory.nodes, text)] == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no condition"),
        ("drain", "'drain', which is none"),
        ("=drain", "which is none"),
        ("state=", "which is none"),
        ("stat=drain", "Did you mean state?"),
        ("rac=r1", "Did you mean rack?"),
        ("color=red", "Its keys are address, arch, gpus"),
        ("state=drian", "Did you mean drain"),
        ("state=drain,", "empty value"),
        ("power='a b", "No closing quotation"),
    ],
)
def test_what_is_no_condition(inventory: Inventory, text: str, said: str) -> None:
    with pytest.raises(UsageFault) as caught:
        choose(inventory, inventory.nodes, text)
    assert said in str(caught.value)


def test_names_have_to_be_known(inventory: Inventory) -> None:
    with pytest.raises(UnknownNode):
        choose(inventory, inventory.nodes, "name=gpu9")
