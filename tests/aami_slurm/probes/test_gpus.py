"""A job's GPUs: by Slurm's index, by UUID, by MIG device, through an inventory; and whatever text stands there instead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_slurm import gpus
from aami_slurm.gpus import resolve
from aami_slurm.job import JobRun

UUIDS = [f"GPU-{n:08x}-0000-1111-2222-333344445555" for n in range(8)]
MIGS = [f"MIG-{n:08x}-aaaa-bbbb-cccc-ddddeeeeffff" for n in range(3)]


def _stock(cut: int | None = None) -> dict[str, Any]:
    """Eight GPUs; NVML counts them from the other end. One may be cut into three MIG devices."""
    parts = [{"uuid": uuid, "gi": gi, "ci": 0} for uuid, gi in zip(MIGS, (1, 7, 8), strict=True)]
    found, index = [], 0
    for number, uuid in enumerate(UUIDS):
        mig = parts if number == cut else None
        found.append(
            {
                "uuid": uuid,
                "bus_id": f"0000:1{number}:00",
                "slurm_index": index,
                "nvml_index": 7 - number,
                "mig": mig,
            }
        )
        index += len(mig) if mig else 1
    return {"gpus": found}


def _job(told: str | None, visible: str | None) -> JobRun:
    given = {"SLURM_JOB_ID": "1", "SLURM_JOB_GPUS": told, "CUDA_VISIBLE_DEVICES": visible}
    return JobRun({key: value for key, value in given.items() if value is not None})


def _numbers(found: gpus.Resolution) -> list[int]:
    return [UUIDS.index(gpu["uuid"]) for gpu in found.gpus]


@pytest.mark.parametrize(
    ("told", "visible", "numbers"),
    [
        ("2,3", "2,3", [2, 3]),
        ("2,3", None, [2, 3]),
        (None, "2,3", [2, 3]),
        ("0-3", "0,1,2,3", [0, 1, 2, 3]),
        ("[0-1,5]", None, [0, 1, 5]),
        (" 1 , 2 ", None, [1, 2]),
        ("02", None, [2]),
        ("3,3,2-3", None, [3, 2]),
        ("2", UUIDS[2], [2]),
        ("2,3", f"{UUIDS[2]},{UUIDS[3]}", [2, 3]),
        (None, UUIDS[4].upper().replace("GPU", "GPU"), [4]),
        (None, UUIDS[5][:12], [5]),
        ("2,6", f"{UUIDS[6]},2", [6, 2]),
        (None, None, []),
        ("", "", []),
        (None, "NoDevFiles", []),
        ("0", "NoDevFiles", [0]),
        ("3", "", [3]),
    ],
)
def test_a_jobs_gpus(told: str | None, visible: str | None, numbers: list[int]) -> None:
    found = resolve(_job(told, visible), _stock())
    assert (_numbers(found), found.unresolved, found.words) == (numbers, [], "")
    for gpu, number in zip(found.gpus, numbers, strict=True):
        assert gpu == {
            "uuid": UUIDS[number], "bus_id": f"0000:1{number}:00", "slurm_index": number, "nvml_index": 7 - number,
            "mig": None,
        }  # fmt: skip


def test_a_uuid_wins_over_an_index_and_that_is_told() -> None:
    found = resolve(_job("0,1", f"{UUIDS[2]},{UUIDS[3]}"), _stock())
    assert _numbers(found) == [2, 3]
    assert found.words == "SLURM_JOB_GPUS=0,1 says other GPUs: the UUIDs count"


def test_slurms_own_index_wins_over_cudas_and_that_is_told() -> None:
    found = resolve(_job("4,5", "0,1"), _stock())
    assert _numbers(found) == [4, 5]
    assert found.words == "CUDA_VISIBLE_DEVICES=0,1 says other GPUs: SLURM_JOB_GPUS counts"


@pytest.mark.parametrize(
    ("told", "visible", "slurm_indices", "migs"),
    [
        ("3", MIGS[1], [3], [MIGS[1]]),
        ("3", None, [3], [MIGS[1]]),
        ("2-4", None, [2, 3, 4], MIGS),
        ("5", None, [5], [None]),
        (None, f"{MIGS[0]},{MIGS[2]}", [2, 4], [MIGS[0], MIGS[2]]),
        ("4", f"MIG-{UUIDS[2]}/8/0", [4], [MIGS[2]]),
        ("1,3", f"{UUIDS[1]},MIG-{UUIDS[2]}/7/0", [1, 3], [None, MIGS[1]]),
        (None, UUIDS[2], [2, 3, 4], MIGS),
        (None, f"{MIGS[1].upper()}", [3], [MIGS[1]]),
    ],
)
def test_mig_devices(
    told: str | None, visible: str | None, slurm_indices: list[int], migs: list[str | None]
) -> None:
    found = resolve(_job(told, visible), _stock(cut=2))
    assert (found.unresolved, found.words) == ([], "")
    assert [gpu["slurm_index"] for gpu in found.gpus] == slurm_indices
    assert [gpu["mig"] and gpu["mig"]["uuid"] for gpu in found.gpus] == migs
    assert all(gpu["uuid"] == UUIDS[2] for gpu in found.gpus if gpu["mig"])


def test_a_device_named_in_the_old_form_only() -> None:
    stock = _stock(cut=2)
    stock["gpus"][2]["mig"] = [{"uuid": f"MIG-{UUIDS[2]}/1/0", "gi": None, "ci": None}]
    found = resolve(_job(None, f"MIG-{UUIDS[2]}/1/0"), stock)
    assert [gpu["mig"]["uuid"] for gpu in found.gpus] == [f"MIG-{UUIDS[2]}/1/0"]


@pytest.mark.parametrize(
    ("told", "visible", "numbers", "unresolved"),
    [
        ("8", None, [], ["8"]),
        ("0,8", None, [0], ["8"]),
        ("2", "GPU-ffffffff-0000", [], ["GPU-ffffffff-0000"]),
        (None, "MIG-ffffffff", [], ["MIG-ffffffff"]),
        (None, f"MIG-{UUIDS[2]}/1/0", [], [f"MIG-{UUIDS[2]}/1/0"]),
        (None, "GPU-0000", [], ["GPU-0000"]),
        (None, "GPU-", [], ["GPU-"]),
        (None, "-1", [], ["-1"]),
        (None, "gpu:h100:2", [], ["gpu:h100:2"]),
        ("3-1", None, [], ["3-1"]),
        ("0-999999", None, [], ["0-999999"]),
        ("999999999999", None, [], ["999999999999"]),
        ("\x1b[31m1\n", None, [], ["?31m1"]),
        ("\u0661", None, [], ["?"]),
        ("2", "garbage", [2], []),
    ],
)
def test_what_can_not_be_told_is_listed(
    told: str | None, visible: str | None, numbers: list[int], unresolved: list[str]
) -> None:
    found = resolve(_job(told, visible), _stock())
    assert (_numbers(found), found.unresolved) == (numbers, unresolved)
    assert found.words.isascii()
    assert found.words or not unresolved


def test_without_an_inventory_nothing_can_be_told() -> None:
    found = resolve(_job("0-1", UUIDS[2]), None)
    assert (found.gpus, found.unresolved) == ([], [UUIDS[2]])
    assert found.words == "no inventory of this boot yet"
    assert resolve(_job("0-1", None), None).unresolved == ["0", "1"]
    empty = resolve(_job(None, None), None)
    assert (empty.gpus, empty.unresolved, empty.words) == ([], [], "")


def test_a_gpu_that_is_gone_is_still_the_jobs() -> None:
    stock = _stock()
    stock["gpus"][3].update(present=False, nvml_index=None)
    found = resolve(_job("3", None), stock)
    assert [(gpu["uuid"], gpu["nvml_index"]) for gpu in found.gpus] == [(UUIDS[3], None)]


def test_a_card_of_an_older_boot_has_no_index_and_is_found_by_its_name() -> None:
    stock = _stock()
    for gpu in stock["gpus"][2:]:
        gpu["slurm_index"] -= 1
    stock["gpus"][2].update(present=False, nvml_index=None, slurm_index=None)
    assert _numbers(resolve(_job("0-6", None), stock)) == [0, 1, 3, 4, 5, 6, 7]
    assert resolve(_job("7", None), stock).unresolved == ["7"]
    found = resolve(_job(None, UUIDS[2]), stock)
    assert [(gpu["uuid"], gpu["slurm_index"]) for gpu in found.gpus] == [(UUIDS[2], None)]


def test_the_devices_of_a_card_without_an_index_are_told_apart() -> None:
    stock = _stock(cut=2)
    stock["gpus"][2].update(present=False, slurm_index=None)
    found = resolve(_job(None, UUIDS[2]), stock)
    assert [gpu["mig"]["uuid"] for gpu in found.gpus] == MIGS


_TOKENS = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.tuples(st.integers(), st.integers()).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.sampled_from(
        [*UUIDS, *MIGS, "NoDevFiles", f"MIG-{UUIDS[2]}/1/0", f"MIG-{UUIDS[2]}/", "MIG-GPU-", "GPU-0", "[0-3]"]
    ),
)
_LISTS = st.none() | st.text(max_size=200) | st.lists(_TOKENS, max_size=40).map(",".join)


@given(_LISTS, _LISTS, st.sampled_from([None, {"gpus": []}, _stock(), _stock(cut=2)]))
def test_any_text_is_read_without_a_crash(
    told: str | None, visible: str | None, stock: dict[str, Any] | None
) -> None:
    found = resolve(_job(told, visible), stock)
    keys = [(gpu["uuid"], gpu["slurm_index"]) for gpu in found.gpus]
    assert len(keys) == len(set(keys))
    assert len(found.unresolved) <= gpus.MOST
    for words in (*found.unresolved, found.words):
        assert words.isascii()
        assert words.isprintable()
        assert len(words) < 1500


@given(
    st.lists(st.integers(0, 7), unique=True, max_size=8), st.sampled_from(["told", "visible", "uuids", "all"])
)
def test_however_slurm_tells_them_they_are_the_same(numbers: list[int], how: str) -> None:
    indices = ",".join(map(str, numbers))
    uuids = ",".join(UUIDS[number] for number in numbers)
    told, visible = {
        "told": (indices, None), "visible": (None, indices), "uuids": (None, uuids), "all": (indices, uuids),
    }[how]  # fmt: skip
    found = resolve(_job(told, visible), _stock())
    assert (_numbers(found), found.unresolved, found.words) == (numbers, [], "")
