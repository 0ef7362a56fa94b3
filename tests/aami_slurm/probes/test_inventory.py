"""The inventory: generations, GPUs that are gone and still known, other machines, Slurm's index, and garbage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aami_slurm import inventory
from aami_slurm.probes._gpu_rows import row
from tests.aami_slurm.probes.stock import BOOT, NEXT, NODE, Node, four, gpu_row, reading_of
from tests.lab.nvml import shapes
from tests.lab.nvml.shapes import h100

if TYPE_CHECKING:
    from aami_slurm.places import Places
    from tests.aami_slurm.probes.conftest import MakeDriver
    from tests.aami_slurm.probes.support import SetClock


@pytest.fixture
def node(places: Places, clock: SetClock) -> Node:
    return Node(places, clock)


def _present(made: dict[str, Any]) -> list[bool]:
    return [gpu["present"] for gpu in made["gpus"]]


def test_a_node_as_its_driver_tells_it(node: Node, make_driver: MakeDriver) -> None:
    state = shapes.with_mig(h100(), 2, ("3g.40gb", "1g.10gb"))
    made, changes = node.update(make_driver(state).read(node.places))
    assert changes == ["first look at the GPUs in this boot"]
    assert (made["node"], made["boot_id"], made["generation"], made["driver"]) == (
        NODE,
        BOOT,
        1,
        "580.173.02",
    )
    assert [gpu["serial"] for gpu in made["gpus"]] == [gpu.serial for gpu in state.gpus]
    assert [gpu["slurm_index"] for gpu in made["gpus"]] == [0, 1, 2, 4, 5, 6, 7, 8], (
        "each MIG device is one of Slurm's"
    )
    assert made["gpus"][2]["mig"][1]["gi"] == 7
    assert [path.name for path in node.files] == [f"{BOOT}-1.json"]


def test_nothing_is_known_before_the_first_look(node: Node) -> None:
    assert inventory.load(node.places, BOOT) is None


def test_the_same_again_is_the_same_generation(node: Node) -> None:
    made, _ = node.update(four())
    before = node.files[0].stat().st_mtime_ns
    node.clock.ahead += 300
    assert node.update(four()) == (made, [])
    assert node.files[0].stat().st_mtime_ns == before


def test_last_seen_is_brought_up_to_date_once_in_a_while(node: Node) -> None:
    first, _ = node.update(four())
    node.clock.ahead += 700
    later, changes = node.update(four())
    assert changes == []
    assert later["generation"] == first["generation"]
    assert later["made"] == first["made"]
    assert later["gpus"][0]["last_seen"] > first["gpus"][0]["last_seen"]


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (four(driver="590.1"), "the driver is 590.1, was 580.1"),
        (
            reading_of(*(gpu_row(n) for n in range(3)), gpu_row(3, mig=[])),
            "the MIG layout of GPU-00000003 has changed",
        ),
        (reading_of(*(gpu_row(n) for n in range(5))), "GPU-00000004 at 0000:14:00 is new"),
        (reading_of(*(gpu_row(n) for n in range(3))), "GPU-00000003 at 0000:13:00 is gone, serial S3"),
        (
            reading_of(*(gpu_row(n) for n in range(3)), gpu_row(3, nvml_index=9)),
            "a card tells something else of itself",
        ),
    ],
)
def test_a_change_is_a_new_generation(node: Node, reading: dict[str, Any], words: str) -> None:
    node.update(four())
    made, changes = node.update(reading)
    assert changes == [words]
    assert (made["generation"], made["why"]) == (2, words)
    assert [path.name for path in node.files] == [f"{BOOT}-1.json", f"{BOOT}-2.json"]
    assert node.update(reading)[1] == []


def test_a_gpu_gone_from_the_bus_is_still_known(node: Node) -> None:
    first, _ = node.update(four())
    node.clock.ahead += 100
    left = [gpu_row(0), gpu_row(2, nvml_index=1), gpu_row(3, nvml_index=2)]
    made, _ = node.update(reading_of(*left))
    assert _present(made) == [True, False, True, True]
    gone = made["gpus"][1]
    assert {**gone, "present": True, "nvml_index": 1} == first["gpus"][1], (
        "name, serial, when it was seen last"
    )
    assert gone["nvml_index"] is None
    assert [gpu["slurm_index"] for gpu in made["gpus"]] == [0, 1, 2, 3], "Slurm counts on"
    assert [gpu["nvml_index"] for gpu in made["gpus"]] == [0, None, 1, 2]
    back, changes = node.update(four())
    assert changes == ["GPU-00000001 at 0000:11:00 is back"]
    assert _present(back) == [True] * 4
    assert back["generation"] == 3


@pytest.mark.parametrize(
    "known", [{"nvml_index": 1}, {"bus_id": "0000:11:00"}, {"uuid": "GPU-00000001", "nvml_index": 1}]
)
def test_a_gpu_in_trouble_keeps_its_name_and_place(node: Node, known: dict[str, Any]) -> None:
    node.update(four())
    made, changes = node.update(
        reading_of(gpu_row(0), row(trouble="gpu-is-lost", **known), gpu_row(2), gpu_row(3))
    )
    assert changes == ["GPU-00000001 at 0000:11:00 is gone, serial S1"]
    assert _present(made) == [True, False, True, True]
    assert (made["gpus"][1]["serial"], made["gpus"][1]["nvml_index"]) == ("S1", known.get("nvml_index"))


def test_a_lost_gpu_of_the_real_stub(node: Node, make_driver: MakeDriver) -> None:
    driver = make_driver()
    node.update(driver.read(node.places))
    driver.fault("lost", gpu=5)
    made, _ = node.update(driver.read(node.places))
    assert [gpu["uuid"] for gpu in made["gpus"] if not gpu["present"]] == [driver.state.gpus[5].uuid]
    assert made["gpus"][5]["nvml_index"] == 5


def test_a_gpu_lost_over_a_reboot_is_known_from_the_boot_before(node: Node) -> None:
    first, _ = node.update(four())
    node.boot = NEXT
    made, changes = node.update(reading_of(gpu_row(0), gpu_row(1), gpu_row(3, nvml_index=2)))
    assert changes == ["first look at the GPUs in this boot", "GPU-00000002 at 0000:12:00 is gone, serial S2"]
    assert made["generation"] == 1
    gone = {"present": False, "nvml_index": None, "slurm_index": None}
    assert made["gpus"][2] == {**first["gpus"][2], **gone}
    node.boot = "third"
    made, changes = node.update(reading_of(gpu_row(0), gpu_row(1), gpu_row(3, nvml_index=2)))
    assert changes == ["first look at the GPUs in this boot"], "it was gone already"
    assert _present(made) == [True, True, False, True]


def _indices(made: dict[str, Any]) -> dict[str, int | None]:
    return {gpu["serial"]: gpu["slurm_index"] for gpu in made["gpus"]}


def test_a_card_taken_out_over_a_reboot_has_no_index_and_the_others_move_up(node: Node) -> None:
    node.update(four())
    left = reading_of(gpu_row(0), gpu_row(2, nvml_index=1), gpu_row(3, nvml_index=2))
    for node.boot in (NEXT, "third"):
        for _ in range(2):
            assert _indices(node.update(left)[0]) == {"S0": 0, "S1": None, "S2": 1, "S3": 2}
    lost = reading_of(gpu_row(0), gpu_row(3, nvml_index=1))
    assert _indices(node.update(lost)[0]) == {"S0": 0, "S1": None, "S2": 1, "S3": 2}, "lost in this boot"
    back = reading_of(*(gpu_row(number) for number in range(4)))
    node.boot = "fourth"
    assert _indices(node.update(back)[0]) == {"S0": 0, "S1": 1, "S2": 2, "S3": 3}


def test_a_replacement_in_another_slot_shifts_no_index(node: Node) -> None:
    node.update(reading_of(gpu_row(0), gpu_row(1), gpu_row(2)))
    node.boot = NEXT
    made, _ = node.update(reading_of(gpu_row(0), gpu_row(2, nvml_index=1), gpu_row(9, nvml_index=2)))
    assert _indices(made) == {"S0": 0, "S1": None, "S2": 1, "S9": 2}


def test_a_card_that_the_driver_lists_and_can_not_open_since_boot_has_its_place(node: Node) -> None:
    node.update(four())
    node.boot = NEXT
    lost = row(nvml_index=1, bus_id="0000:11:00", trouble="gpu-is-lost")
    made, _ = node.update(reading_of(gpu_row(0), lost, gpu_row(2), gpu_row(3)))
    assert _indices(made) == {"S0": 0, "S1": 1, "S2": 2, "S3": 3}


def test_the_gpus_of_another_node_are_not_ours(node: Node) -> None:
    inventory.update(
        node.places, node.clock, "gpu-002", BOOT, reading_of(gpu_row(0), gpu_row(8), gpu_row(9)), "bus"
    )
    node.boot = NEXT
    made, changes = node.update(reading_of(gpu_row(0), gpu_row(1)))
    assert changes == ["first look at the GPUs in this boot"]
    assert _indices(made) == {"S0": 0, "S1": 1}


def test_other_hardware_under_the_same_name_is_a_new_machine(node: Node) -> None:
    node.update(four())
    node.boot = NEXT
    made, changes = node.update(reading_of(gpu_row(10), gpu_row(11)))
    assert changes[1] == "another machine: none of the 4 GPUs known before is here"
    assert [gpu["uuid"] for gpu in made["gpus"]] == ["GPU-0000000a", "GPU-0000000b"]
    assert made["why"] == "; ".join(changes)


def test_a_machine_whose_gpus_are_all_lost_is_not_another_one_in_the_same_boot(node: Node) -> None:
    node.update(four())
    made, _ = node.update(reading_of(*(row(nvml_index=n, trouble="gpu-is-lost") for n in range(4))))
    assert _present(made) == [False] * 4
    assert [gpu["nvml_index"] for gpu in made["gpus"]] == [0, 1, 2, 3]


def test_a_card_that_was_replaced_is_forgotten(node: Node) -> None:
    node.update(four())
    node.boot = NEXT
    made, changes = node.update(
        reading_of(gpu_row(0), gpu_row(1), gpu_row(2), gpu_row(9, bus_id="0000:13:00", nvml_index=3))
    )
    assert changes[1:] == [
        "GPU-00000009 at 0000:13:00 is new",
        "GPU-00000003 was replaced by another card at 0000:13:00",
    ]
    assert len(made["gpus"]) == 4


def test_a_card_that_moved_replaces_nobody(node: Node) -> None:
    node.update(four())
    node.boot = NEXT
    made, _ = node.update(reading_of(gpu_row(0), gpu_row(1), gpu_row(3, bus_id="0000:12:00", nvml_index=2)))
    assert sorted((gpu["uuid"], gpu["present"]) for gpu in made["gpus"]) == [
        ("GPU-00000000", True), ("GPU-00000001", True), ("GPU-00000002", False), ("GPU-00000003", True),
    ]  # fmt: skip


def test_what_a_card_refuses_now_it_still_has(node: Node) -> None:
    node.update(four())
    made, changes = node.update(
        reading_of(gpu_row(0, serial=None, vbios=None, minor=None), gpu_row(1), gpu_row(2), gpu_row(3))
    )
    assert changes == []
    assert (made["gpus"][0]["serial"], made["gpus"][0]["minor"]) == ("S0", 0)


def test_instances_that_one_tool_does_not_tell_are_kept(node: Node) -> None:
    parts = [{"uuid": "MIG-1", "gi": 1, "ci": 0}]
    node.update(reading_of(gpu_row(0, mig=parts)))
    less = [{"uuid": "MIG-1", "gi": None, "ci": None}]
    made, changes = node.update(reading_of(gpu_row(0, mig=less, nvml_index=4), source="nvidia-smi"))
    assert changes == ["a card tells something else of itself"]
    assert made["gpus"][0]["mig"] == parts


@pytest.mark.parametrize(("order", "indices"), [("bus", [0, 1, 2]), ("minor", [2, 0, 1])])
def test_slurms_index_counts_as_the_settings_say(node: Node, order: str, indices: list[int]) -> None:
    node.order = order
    made, _ = node.update(reading_of(gpu_row(0, minor=7), gpu_row(1, minor=0), gpu_row(2, minor=3)))
    by_bus = sorted(made["gpus"], key=lambda gpu: str(gpu["bus_id"]))
    assert [gpu["slurm_index"] for gpu in by_bus] == indices


def test_a_bus_of_a_further_domain_comes_later(node: Node) -> None:
    made, _ = node.update(
        reading_of(
            gpu_row(0, bus_id="10000:01:00"), gpu_row(1, bus_id="0000:ff:00"), gpu_row(2, bus_id="0009:02:00")
        )
    )
    assert [gpu["bus_id"] for gpu in made["gpus"]] == ["0000:ff:00", "0009:02:00", "10000:01:00"]
