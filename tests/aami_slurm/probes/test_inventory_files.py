"""The files of the inventory: few, never half, and no garbage in them makes it crash."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aami_slurm import inventory
from aami_slurm.probes._gpu_rows import row
from tests.aami_slurm.probes.stock import BOOT, NEXT, NODE, Node, four, gpu_row, reading_of

if TYPE_CHECKING:
    from aami_slurm.places import Places
    from tests.aami_slurm.probes.support import SetClock


@pytest.fixture
def node(places: Places, clock: SetClock) -> Node:
    return Node(places, clock)


def _present(made: dict[str, Any]) -> list[bool]:
    return [gpu["present"] for gpu in made["gpus"]]


def test_a_reading_of_some_gpus_makes_none(node: Node) -> None:
    with pytest.raises(ValueError, match="all GPUs"):
        inventory.update(node.places, node.clock, NODE, BOOT, four(whole=False), "bus")


def test_a_disk_that_can_not_be_written_costs_the_file_only(node: Node) -> None:
    Path(node.places.state).parent.mkdir(parents=True, exist_ok=True)
    Path(node.places.state).write_text("no folder")
    made, changes = node.update(four())
    assert len(made["gpus"]) == 4
    assert changes[-1] == "the inventory can't be saved: Not a directory"
    assert inventory.load(node.places, BOOT) is None


def test_files_stay_few_and_this_boots_newest_is_among_them(node: Node) -> None:
    for number in range(inventory.KEPT + 20):
        made, _ = node.update(four(driver=f"580.{number}"))
    assert len(node.files) == inventory.KEPT
    assert made["generation"] == inventory.KEPT + 20
    for path in node.files:  # the clock was wrong, and is set right
        os.utime(path, (4e9, 4e9))
    made, _ = node.update(four(driver="1"))
    assert inventory.load(node.places, BOOT) == made


def test_garbage_beside_it_is_passed_over(node: Node) -> None:
    made, _ = node.update(four())
    folder = Path(node.places.inventory)
    for name in (
        f"{BOOT}-2.json",
        f"{BOOT}-x.json",
        f"{BOOT}-.json",
        "other.json",
        f"{NEXT}-99999999999.json",
    ):
        (folder / name).write_bytes(b"\xff{")
    (folder / f"{BOOT}-3.json").write_text(json.dumps({**made, "boot_id": NEXT}))
    (folder / f"{BOOT}-4.json").mkdir()
    (folder / f".{BOOT}-5.json.new").write_text(json.dumps(made))
    assert inventory.load(node.places, BOOT) == made
    newer, _ = node.update(four(driver="590"))
    assert newer["generation"] == 5, "a number that is taken is not used again"


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    where=st.lists(
        st.sampled_from([*inventory.GPU_KEYS, "gpus", "schema", "generation", "driver", 0]), max_size=3
    ),
    what=_ANY,
)
def test_a_file_that_was_tampered_with_never_crashes(node: Node, where: list[Any], what: Any) -> None:
    good, _ = inventory.update(node.places, node.clock, NODE, BOOT, four(), "bus")
    path = Path(node.places.inventory) / f"{BOOT}-{good['generation']}.json"
    told: Any = json.loads(path.read_text())
    inner = told
    for step in ("gpus", 0) if where[:1] and where[0] in inventory.GPU_KEYS else ():
        inner = inner[step]
    if where and isinstance(inner, dict):
        inner[where[0]] = what
    path.write_text(json.dumps(told if where else what))
    inventory.load(node.places, BOOT)
    inventory.update(node.places, node.clock, NODE, BOOT, four(), "minor")


_NUMBERS = st.lists(st.integers(0, 7), max_size=8, unique=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.tuples(_NUMBERS, _NUMBERS, st.booleans()), min_size=1, max_size=6))
def test_no_gpu_is_forgotten_or_told_twice_whatever_comes_and_goes(
    tmp_path_factory: pytest.TempPathFactory, clock: SetClock, looks: list[tuple[list[int], list[int], bool]]
) -> None:
    from aami_slurm.places import Places

    root = tmp_path_factory.mktemp("root")
    (root / "var/lib").mkdir(parents=True)
    node = Node(Places(str(root)), clock)
    known: set[str] = set()
    seen: set[str] = set()  # in this boot
    for well, lost, boots in looks:
        node.boot += "x" if boots else ""
        rows = [gpu_row(number) for number in well] + [
            row(uuid=f"GPU-{number:08x}", trouble="gpu-is-lost") for number in lost if number not in well
        ]
        first = inventory.load(node.places, node.boot) is None
        made, _ = node.update(reading_of(*rows))
        names = [gpu["uuid"] for gpu in made["gpus"]]
        here = {str(gpu["uuid"]) for gpu in rows}
        known = (known if not first or known & here else set()) | {
            str(gpu_row(number)["uuid"]) for number in well
        }
        assert sorted(names) == sorted(known)
        assert {gpu["uuid"] for gpu in made["gpus"] if gpu["present"]} == {
            gpu_row(number)["uuid"] for number in well
        }
        seen = (set() if first else seen) | {gpu_row(number)["uuid"] for number in well}
        indices = {gpu["uuid"]: gpu["slurm_index"] for gpu in made["gpus"]}
        assert [indices[name] for name in names if name in seen] == list(range(len(seen)))
        assert {indices[name] for name in names if name not in seen} <= {None}
