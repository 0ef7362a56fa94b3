"""Whose event it was: time, GPU, instance, process; the grace, and the next job that ends it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_slurm.attribution import EXACT, GPU, NODE, attribute
from aami_slurm.state import GRACE_US, MICRO, key
from tests.aami_slurm.record.support import held, uuid

Run = dict[str, Any]


def run(job_id: int, gpus: list[dict[str, Any]], start: float, end: float | None = None, **more: Any) -> Run:
    return {
        "job_id": job_id, "restart": 0, "user": f"user{job_id}", "gpus": gpus, "unresolved": None,
        "start_mono_us": int(start * MICRO), "end_mono_us": None if end is None else int(end * MICRO), **more,
    }  # fmt: skip


def event(at: float, gpu: int | None, **more: Any) -> dict[str, Any]:
    return {"mono_us": int(at * MICRO), "gpu_uuid": None if gpu is None else uuid(gpu), "mig": None, **more}


def told(found: list[dict[str, Any]]) -> list[tuple[int, str, bool]]:
    return [(one["job_id"], one["confidence"], one["late"]) for one in found]


def of(*runs: Run) -> dict[str, Run]:
    return {key(one): one for one in runs}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (99.9, []), (100, [(1, GPU, False)]), (200, [(1, GPU, False)]), (200.1, [(1, GPU, True)]), (230, [(1, GPU, True)]),
        (230.1, []),
    ],
)  # fmt: skip
def test_a_run_owns_its_time_and_thirty_seconds_more(at: float, expected: list[Any]) -> None:
    assert told(attribute(event(at, 3), of(run(1, held(2, 3), 100, 200)))) == expected


def test_another_gpu_is_another_job() -> None:
    runs = of(run(1, held(0, 1), 100), run(2, held(2, 3), 100))
    assert told(attribute(event(150, 3), runs)) == [(2, GPU, False)]
    assert attribute(event(150, 5), runs) == []


@pytest.mark.parametrize(
    ("at", "expected"), [(205, [(1, GPU, True)]), (210, [(2, GPU, False)]), (220, [(2, GPU, False)])]
)
def test_the_grace_ends_when_the_next_job_begins_on_that_gpu(at: float, expected: list[Any]) -> None:
    runs = of(run(1, held(3), 100, 200), run(2, held(3), 210))
    assert told(attribute(event(at, 3), runs)) == expected


def test_the_next_job_on_another_gpu_ends_no_grace() -> None:
    runs = of(run(1, held(3), 100, 200), run(2, held(4), 210))
    assert told(attribute(event(220, 3), runs)) == [(1, GPU, True)]


def test_two_jobs_that_share_a_gpu_are_both_named() -> None:
    runs = of(run(1, held(3), 100), run(2, held(3), 120))
    assert told(attribute(event(150, 3), runs)) == [(1, GPU, False), (2, GPU, False)]
    assert told(attribute(event(110, 3), runs)) == [(1, GPU, False)]


def test_a_process_of_one_of_them_makes_it_exact() -> None:
    runs = of(run(1, held(3), 100), run(2, held(3), 120))
    assert told(attribute(event(150, 3, pid=7), runs, {7: "2.0"}.get)) == [(2, EXACT, False)]


@pytest.mark.parametrize("owner", [None, "9.0", "2.0"])
def test_a_process_of_nobody_who_held_the_gpu_narrows_nothing(owner: str | None) -> None:
    runs = of(run(1, held(3), 100), run(2, held(4), 100))
    assert told(attribute(event(150, 3, pid=7), runs, lambda _pid: owner)) == [(1, GPU, False)]


def test_whoever_only_made_the_call_is_not_to_blame() -> None:
    runs = of(run(1, held(3), 100), run(2, held(3), 120))
    found = attribute(event(150, 3, pid=7, bystander=True), runs, lambda _pid: "2.0")
    assert told(found) == [(1, GPU, False), (2, GPU, False)]


def test_an_instance_of_a_cut_gpu_belongs_to_who_had_it() -> None:
    one, two = {"uuid": "MIG-1", "gi": 1, "ci": 0}, {"uuid": "MIG-2", "gi": 2, "ci": 0}
    runs = of(run(1, held(3, mig=one), 100), run(2, held(3, mig=two), 100))
    assert told(attribute(event(150, 3, mig={"gi": 2, "ci": None}), runs)) == [(2, GPU, False)]
    assert told(attribute(event(150, 3, mig={"gi": 2, "ci": 0}), runs)) == [(2, GPU, False)]
    assert attribute(event(150, 3, mig={"gi": 5, "ci": None}), runs) == []
    assert told(attribute(event(150, 3), runs)) == [(1, GPU, False), (2, GPU, False)]


def test_the_next_job_on_another_instance_ends_no_grace() -> None:
    one, two = {"uuid": "MIG-1", "gi": 1, "ci": 0}, {"uuid": "MIG-2", "gi": 2, "ci": 0}
    runs = of(run(1, held(3, mig=one), 100, 200), run(2, held(3, mig=two), 210))
    assert told(attribute(event(220, 3, mig={"gi": 1, "ci": 0}), runs)) == [(1, GPU, True)]


def test_an_event_of_the_whole_node_is_everybodys_who_has_gpus() -> None:
    runs = of(run(1, held(3), 100), run(2, [], 100), run(3, held(4), 100, 120))
    assert told(attribute(event(160, None), runs)) == [(1, NODE, False)]


def test_a_run_whose_gpus_nobody_knew_may_be_meant_where_nobody_else_is() -> None:
    unknown = run(2, [], 100, unresolved={"gpus_told": "3", "visible": "3", "names": ["3"]})
    assert told(attribute(event(150, 3), of(unknown))) == [(2, NODE, False)]
    assert told(attribute(event(150, 3), of(run(1, held(3), 100), unknown))) == [(1, GPU, False)]


def test_both_runs_of_a_requeued_job_are_told_apart() -> None:
    runs = of(run(1, held(3), 100, 150), {**run(1, held(3), 160), "restart": 1})
    assert [one["restart"] for one in attribute(event(155, 3), runs)] == [0]
    assert [one["restart"] for one in attribute(event(165, 3), runs)] == [1]


INSTANCES = st.none() | st.fixed_dictionaries({"gi": st.integers(0, 2), "ci": st.none() | st.integers(0, 1)})
RUNS = st.lists(
    st.builds(
        lambda number, gpus, mig, start, length: run(
            number, held(*gpus, mig=mig), start, None if length is None else start + length
        ),
        st.integers(1, 5),
        st.sets(st.integers(0, 2), max_size=3),
        INSTANCES,
        st.integers(0, 100),
        st.none() | st.integers(0, 50),
    ),
    max_size=6,
    unique_by=lambda one: one["job_id"],
)
EVENTS = st.builds(
    lambda at, gpu, mig, pid, bystander: event(at, gpu, mig=mig, pid=pid, bystander=bystander),
    st.integers(0, 200),
    st.none() | st.integers(0, 3),
    INSTANCES,
    st.none() | st.integers(1, 6),
    st.booleans(),
)


@given(RUNS, EVENTS)
def test_only_who_could_have_been_there_is_named(runs: list[Run], seen: dict[str, Any]) -> None:
    found = attribute(seen, of(*runs), lambda pid: f"{pid}.0")
    by_key = of(*runs)
    assert len({(one["job_id"], one["restart"]) for one in found}) == len(found)
    assert len({one["confidence"] for one in found}) <= 1
    for one in found:
        meant = by_key[f"{one['job_id']}.0"]
        end = meant["end_mono_us"]
        assert meant["start_mono_us"] <= seen["mono_us"]
        assert end is None or seen["mono_us"] <= end + GRACE_US
        assert one["late"] == (end is not None and seen["mono_us"] > end)
        if one["confidence"] != NODE:
            assert seen["gpu_uuid"] in [gpu["uuid"] for gpu in meant["gpus"]]
        if one["confidence"] == EXACT:
            assert (seen["pid"], len(found), seen["bystander"]) == (one["job_id"], 1, False)


@given(RUNS, EVENTS)
def test_whoever_holds_the_whole_gpu_at_the_time_is_named(runs: list[Run], seen: dict[str, Any]) -> None:
    found = attribute(seen, of(*runs))
    for one in runs:
        open_then = one["start_mono_us"] <= seen["mono_us"] and (
            one["end_mono_us"] is None or seen["mono_us"] <= one["end_mono_us"]
        )
        whole = [gpu["uuid"] for gpu in one["gpus"] if gpu["mig"] is None]
        if open_then and seen["gpu_uuid"] in whole:
            assert one["job_id"] in [named["job_id"] for named in found]


@given(RUNS, st.integers(0, 2), st.integers(0, 200))
def test_a_late_event_is_never_given_past_the_next_start(runs: list[Run], gpu: int, at: int) -> None:
    whole = [{**one, "gpus": [{**part, "mig": None} for part in one["gpus"]]} for one in runs]
    for named in attribute(event(at, gpu), of(*whole)):
        if named["late"]:
            end = of(*whole)[f"{named['job_id']}.0"]["end_mono_us"]
            assert not [
                other
                for other in whole
                if other["job_id"] != named["job_id"]
                and uuid(gpu) in [part["uuid"] for part in other["gpus"]]
                and end <= other["start_mono_us"] <= at * MICRO
            ]
