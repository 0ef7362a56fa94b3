"""Rails: the formula, what stops a drain before it, and who gives way after it, in whichever order nodes come."""

import heapq
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aami_slurm.rails import STANDARD, allowed, allowed_out, examine, problems, surplus

REASON = "aami:a:xid79:gpu5 GPU has fallen off the bus #aaaaaaaa"
SHARES = st.decimals(0, 1, places=4).map(str)
SIZES = st.integers(1, 10_000)


@given(st.integers(1, 10_000), SHARES, SIZES)
@example(10_000, "0.29", 100)
@example(10_000, "0.07", 100)
@example(10_000, "0.0001", 10_000)
def test_so_many_may_be_drained_within_a_window(nodes: int, share: str, gpu_nodes: int) -> None:
    exact = floor(Fraction(share) * gpu_nodes)
    assert allowed(nodes, float(share), gpu_nodes) == max(1, min(nodes, exact))
    assert allowed_out({"share": float(share), "at_least": nodes}, gpu_nodes) == max(nodes, exact)


@pytest.mark.parametrize(
    ("gpu_nodes", "ten_minutes", "hour", "out"),
    [(1, 1, 1, 2), (2, 1, 1, 2), (20, 1, 1, 2), (39, 1, 1, 2), (40, 2, 2, 2), (64, 2, 3, 3), (1000, 2, 4, 50), (10_000, 2, 4, 500)],
)  # fmt: skip
def test_the_standard_rails(gpu_nodes: int, ten_minutes: int, hour: int, out: int) -> None:
    limits = [allowed(window["nodes"], window["share"], gpu_nodes) for window in STANDARD["windows"]]
    assert [*limits, allowed_out(STANDARD["out"], gpu_nodes)] == [ten_minutes, hour, out]


def ours(*since: float) -> list[tuple[str, str, float]]:
    return [(f"n{number:05d}", REASON, second) for number, second in enumerate(since)]


def test_a_full_window_stops_a_drain_and_says_so() -> None:
    ruling = examine(STANDARD, 1000, ours(900, 950), 1000)
    assert not ruling.ok
    assert ruling.rail == "2 drained by us within 10 min, 2 allowed of 1000 GPU nodes"
    assert examine(STANDARD, 1000, ours(950), 1000).ok
    assert examine(STANDARD, 1000, [], 1000).rail == ""


def test_a_drain_leaves_the_window_at_its_end() -> None:
    assert not examine(STANDARD, 1000, ours(401, 950), 1000).ok
    assert examine(STANDARD, 1000, ours(400, 950), 1000).ok
    assert "1 h" in examine(STANDARD, 1000, ours(0, 1, 2, 3), 3500).rail


def test_old_drains_count_as_out_whatever_their_age() -> None:
    assert examine(STANDARD, 40, ours(0), 10**9).ok
    assert examine(STANDARD, 40, ours(0, 1), 10**9).rail == "2 out by us, 2 allowed of 40 GPU nodes"


def test_drains_from_the_future_count() -> None:
    assert not examine(STANDARD, 1000, ours(5000, 6000), 1000).ok, (
        "a node's clock may be behind the controller's"
    )


def test_the_later_one_gives_way_and_the_name_decides_within_a_second() -> None:
    all_of_them = ours(100, 100, 100, 99)
    assert surplus(STANDARD, 1000, all_of_them, "n00003") is None
    assert surplus(STANDARD, 1000, all_of_them, "n00000") is None
    assert surplus(STANDARD, 1000, all_of_them, "n00001") == (
        "2 drained by us within 10 min, 2 allowed of 1000 GPU nodes"
    )
    assert surplus(STANDARD, 1000, all_of_them, "n00002") is not None


def test_a_drain_that_is_not_seen_may_not_stay() -> None:
    assert surplus(STANDARD, 1000, ours(100), "elsewhere") == (
        "our own drain is not among those that Slurm shows"
    )


@given(st.permutations(ours(5, 5, 6, 700, 710, 4000)), st.floats(0.01, 1), SIZES)
def test_the_order_of_the_answer_does_not_matter(
    shown: list[tuple[str, str, float]], share: float, size: int
) -> None:
    rails = {
        "windows": [{"seconds": 600, "nodes": 3, "share": share}],
        "out": {"share": share, "at_least": 1},
    }
    for node, _, _ in shown:
        assert surplus(rails, size, shown, node) == surplus(rails, size, sorted(shown), node)
    assert examine(rails, size, shown, 800).rail == examine(rails, size, sorted(shown), 800).rail


def run(
    rails: dict[str, Any], gpu_nodes: int, courses: list[tuple[float, float, float, float]]
) -> dict[str, int]:
    """Nodes that decide for themselves, each at its own pace: when it reads, how long until it writes, how long after
    the write (1.1 s at least) it looks again, how long until it takes back. What stays, with its second.
    """
    shown: dict[str, int] = {}
    steps: list[tuple[float, int, str, str]] = []
    for number, course in enumerate(courses):
        heapq.heappush(steps, (course[0], number, "read", f"n{number:05d}"))
    while steps:
        now, number, step, name = heapq.heappop(steps)
        _, write, look, give_way = courses[number]
        out = [(node, REASON, float(since)) for node, since in shown.items()]
        if step == "read" and examine(rails, gpu_nodes, out, now).ok:
            heapq.heappush(steps, (now + write, number, "write", name))
        elif step == "write":
            shown[name] = int(now)
            heapq.heappush(steps, (now + max(1.1, look), number, "look", name))
        elif step == "look" and surplus(rails, gpu_nodes, out, name):
            heapq.heappush(steps, (now + give_way, number, "give way", name))
        elif step == "give way":
            del shown[name]
    return shown


def within(rails: dict[str, Any], gpu_nodes: int, shown: dict[str, int]) -> None:
    """No span of time holds more than its rail, and no more are out than may be."""
    assert len(shown) <= allowed_out(rails["out"], gpu_nodes)
    for window in rails["windows"]:
        limit = allowed(window["nodes"], window["share"], gpu_nodes)
        for end in shown.values():
            held = [since for since in shown.values() if end - window["seconds"] < since <= end]
            assert len(held) <= limit, (window, held)


BRIEFLY = st.floats(0, 2).map(lambda value: round(value, 2))
PACE = st.tuples(BRIEFLY, BRIEFLY, st.floats(1.1, 4), BRIEFLY)
RAILS = st.fixed_dictionaries(
    {
        "windows": st.lists(
            st.fixed_dictionaries(
                {"seconds": st.sampled_from([1, 10, 600, 3600]), "nodes": st.integers(1, 6), "share": st.floats(0.01, 1)}
            ),
            min_size=1, max_size=3,
        ),
        "out": st.fixed_dictionaries({"share": st.floats(0.01, 1), "at_least": st.integers(1, 6)}),
    }
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(SIZES, st.lists(PACE, min_size=1, max_size=40), RAILS | st.just(STANDARD))
def test_nodes_that_decide_at_once_never_pass_a_rail_and_never_all_give_way(
    gpu_nodes: int, courses: list[tuple[float, float, float, float]], rails: dict[str, Any]
) -> None:
    shown = run(rails, gpu_nodes, courses)
    within(rails, gpu_nodes, shown)
    assert shown


@settings(max_examples=100, deadline=None)
@given(
    SIZES,
    st.lists(st.tuples(st.floats(0, 8000), BRIEFLY, st.floats(1.1, 4), BRIEFLY), min_size=1, max_size=60),
    RAILS | st.just(STANDARD),
)
def test_over_hours_no_span_of_time_passes_a_rail(
    gpu_nodes: int, courses: list[tuple[float, float, float, float]], rails: dict[str, Any]
) -> None:
    shown = run(rails, gpu_nodes, courses)
    within(rails, gpu_nodes, shown)
    assert shown


@given(SIZES, st.integers(1, 64), RAILS | st.just(STANDARD))
def test_nodes_that_fail_in_the_same_second_use_what_is_allowed(
    gpu_nodes: int, failing: int, rails: dict[str, Any]
) -> None:
    shown = run(rails, gpu_nodes, [(0.0, 0.5, 1.1, 0.1)] * failing)
    limits = [allowed(window["nodes"], window["share"], gpu_nodes) for window in rails["windows"]]
    assert len(shown) == min(failing, allowed_out(rails["out"], gpu_nodes), *limits)


def test_a_thousand_nodes_failing_in_the_same_second_leave_two_drained() -> None:
    shown = run(STANDARD, 10_000, [(0.0, 0.5, 1.1, 0.1)] * 1000)
    assert sorted(shown) == ["n00000", "n00001"]


def test_the_standard_rails_are_sound() -> None:
    assert problems(STANDARD) == []
    assert problems({}) == []


@pytest.mark.parametrize(
    "rails",
    [
        None, [], "x", {"windows": []}, {"windows": {}}, {"windows": [None]}, {"wndows": []}, {"out": {}}, {"out": None},
        {"windows": [{"seconds": 600, "nodes": 2}]}, {"windows": [{"seconds": 600, "nodes": 2, "share": 0.1, "x": 1}]},
        {"windows": [{"seconds": 0, "nodes": 2, "share": 0.1}]}, {"windows": [{"seconds": 600, "nodes": 0, "share": 0.1}]},
        {"windows": [{"seconds": 600, "nodes": 1.5, "share": 0.1}]}, {"windows": [{"seconds": 600, "nodes": True, "share": 0.1}]},
        {"out": {"share": 1.1, "at_least": 2}}, {"out": {"share": -0.1, "at_least": 2}}, {"out": {"share": 0.1, "at_least": 0}},
        {"out": {"share": float("nan"), "at_least": 2}}, {"out": {"share": 0.1, "at_least": float("inf")}},
        {"out": {"share": "0.1", "at_least": 2}},
    ],
)  # fmt: skip
def test_broken_rails_are_told(rails: Any) -> None:
    assert problems(rails)
