"""What a node answers is outside text: it becomes values of the right kind and size, or a step that stopped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.hooks.look import Look, Stopped, drift, read
from aami_hpc.hooks.report import Ending, Report, groups, report, unlike_the_others

GENERATION = "20261120T133000Z-1a2b3c4d"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*Look.__dataclass_fields__, "ok", "step", "detail"])


@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_any_answer_can_be_read(told: dict[str, Any]) -> None:
    found = read(json.dumps({"ok": True, **told}))
    if told.get("ok", True) is not True:
        assert isinstance(found, Stopped)
        return
    assert isinstance(found, Look)
    drift(found, "gpu-001")
    groups([report("gpu-001", Ending.OK, found)])


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert read(text) == Stopped("answer", "The node's answer can't be read")


def test_only_the_last_line_counts() -> None:
    assert read('noise\n{"ok": false, "step": "lock", "detail": "x"}\n') == Stopped("lock", "x")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"ok": true, "hooks": {"x": 1e999, "y": NaN, "z": ' + "9" * 400 + "}}"]
)
def test_numbers_and_depths_that_nobody_writes(text: str) -> None:
    found = read(text)
    assert isinstance(found, Stopped) or found.hooks == {}


def test_half_a_character_can_be_printed_all_the_same() -> None:
    found = read('{"ok": false, "step": "\\ud800", "detail": "\\udfff"}')
    assert isinstance(found, Stopped)
    assert (found.step + found.detail).encode() == b"\\ud800\\udfff"


def test_a_long_answer_is_cut() -> None:
    told = {
        "ok": True,
        "damage": ["x" * 10_000] * 10_000,
        "generations": [GENERATION] * 10_000,
        "python": "y" * 10_000,
    }
    found = read(json.dumps(told))
    assert isinstance(found, Look)
    assert len(found.damage) == len(found.generations) == 128
    assert {len(found.damage[0]), len(found.python)} == {400}


def test_names_that_are_none_are_not_taken() -> None:
    told = {"ok": True, "generation": "../../etc", "content": "x", "generations": [GENERATION, "x", 3]}
    found = read(json.dumps(told))
    assert isinstance(found, Look)
    assert (found.generation, found.content, found.generations) == (None, None, (GENERATION,))


def test_launchers_without_a_generation_are_drift() -> None:
    assert drift(Look(launchers={"prolog": "left", "epilog": "none"}), "x") == (
        "there is no generation, but prolog of one",
    )


def on(node: str, **more: Any) -> Report:
    look = Look(**{"generation": GENERATION, "manifest": "a" * 64, **more})
    return report(node, Ending.OK, look)


def test_a_node_with_another_list_of_files_than_the_others_has_drifted() -> None:
    reports = [on(f"n{number}") for number in range(5)] + [on("odd", manifest="b" * 64)]
    found = unlike_the_others(reports)
    assert [one.ending for one in found] == [Ending.OK] * 5 + [Ending.DRIFT]
    assert "list of files" in found[-1].detail


def test_equal_nodes_are_one_group_and_trouble_comes_first() -> None:
    reports = [on(f"gpu-{number:03}") for number in range(1, 100)]
    reports += [report("gpu-100", Ending.FAILED, detail="x"), report("gpu-101", Ending.FAILED, detail="x")]
    found = groups(reports)
    assert [(group["nodes"], group["count"], group["outcome"]) for group in found] == [
        ("gpu-[100-101]", 2, "failed"),
        ("gpu-[001-099]", 99, "ok"),
    ]
    assert found[0]["hint"]


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_that_is_trouble_says_what_to_do(ending: Ending) -> None:
    found = report("gpu-001", ending)
    assert found.good or found.hint or ending in {Ending.UNREACHABLE, Ending.NOTHING}
