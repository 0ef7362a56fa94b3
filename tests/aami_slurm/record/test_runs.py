"""Job runs in the ledger: begun, resolved, ended, each once however often hooks run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aami_slurm.book import exit_of
from tests.aami_slurm.record.support import BEGIN, MICRO, Memory, check_lines, held, job

if TYPE_CHECKING:
    from pathlib import Path

    from aami_slurm.state import State


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def seen(memory: Memory) -> State:
    """The state as the next hook finds it."""
    with memory.book().open(0) as book:
        return book.state


def test_a_run_is_in_the_ledger_with_its_gpus(memory: Memory) -> None:
    told = job(
        7,
        SLURM_JOB_GPUS="2,3",
        SLURM_JOB_RESTART_COUNT="2",
        SLURM_JOB_ACCOUNT='phy"s\n',
        SLURM_JOB_SLUID="s1",
    )
    with memory.book().open(0) as book:
        run = book.start_run(told, held(2, 3))
        book.commit()
    (entry,) = memory.entries()
    assert (entry["op"], entry["job_id"], entry["restart"], entry["sluid"], entry["uid"]) == (
        "start",
        7,
        2,
        "s1",
        1000,
    )
    assert (entry["cluster"], entry["account"], entry["gpus_told"]) == ("lab", 'phy"s\n', "2,3")
    assert (entry["start_mono_us"], entry["unresolved"]) == (int(BEGIN * MICRO), None)
    assert [gpu["slurm_index"] for gpu in entry["gpus"]] == [2, 3]
    assert seen(memory).runs == {"7.2": run}
    check_lines(memory)


def test_a_prolog_that_runs_twice_is_one_run(memory: Memory) -> None:
    for _ in range(2):
        with memory.book().open(0) as book:
            book.start_run(job(), held(1))
            book.commit()
            book.start_run(job(), held(1))
            book.commit()
    assert [entry["op"] for entry in memory.entries()] == ["start"]


def test_a_second_prolog_that_knows_the_gpus_is_believed(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(SLURM_JOB_GPUS="1"), [], ["1"])
        book.commit()
    with memory.book().open(0) as book:
        assert book.state.runs["1001.0"]["unresolved"] == {"gpus_told": "1", "visible": None, "names": ["1"]}
        book.start_run(job(SLURM_JOB_GPUS="1"), held(1))
        book.start_run(job(SLURM_JOB_GPUS="1"), [])
        book.commit()
    run = seen(memory).runs["1001.0"]
    assert (run["gpus"], run["unresolved"]) == (held(1), None)
    assert [entry["op"] for entry in memory.entries()] == ["start", "resolve"]
    check_lines(memory)


def test_an_end_is_told_once_however_often_the_epilog_runs(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(), held(1))
        book.commit()
    for _ in range(3):
        memory.clock.sleep(100)
        with memory.book().open(0) as book:
            book.end_run(job(), "3:0")
            book.end_run("1001.0", "0:0")
            book.state.read_us = int(
                memory.clock.mono() * MICRO
            )  # the kernel log was read: nothing is late any more
            book.commit()
    (end,) = memory.entries("end")
    assert end["exit"] == {"code": 3, "signal": 0, "raw": "3:0", "known": True}
    assert (end["end_mono_us"], end["start_mono_us"]) == (int((BEGIN + 100) * MICRO), int(BEGIN * MICRO))
    assert end["user"] == "alice"
    assert seen(memory).runs == {}
    check_lines(memory)


@pytest.mark.parametrize("who", [job(9, SLURM_JOB_RESTART_COUNT="1"), "9.1"])
def test_the_end_of_a_run_that_nobody_saw_begin(memory: Memory, who: Any) -> None:
    with memory.book().open(0) as book:
        book.end_run(who, None)
        book.end_run(who, None)
        book.commit()
    (end,) = memory.entries()
    assert (end["job_id"], end["restart"], end["start"], end["start_mono_us"]) == (9, 1, None, None)
    check_lines(memory)


def test_a_requeued_job_is_another_run(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(), held(1))
        book.end_run(job(), "0:0")
        book.start_run(job(SLURM_JOB_RESTART_COUNT="1"), held(2))
        book.commit()
    runs = seen(memory).runs
    assert [(name, run["end_mono_us"] is None) for name, run in sorted(runs.items())] == [
        ("1001.0", False),
        ("1001.1", True),
    ]


def test_a_run_that_begins_again_after_its_end_is_open(memory: Memory) -> None:
    with memory.book().open(0) as book:
        for _ in range(2):
            book.start_run(job(), held(1))
            book.end_run(job(), "0:0")
        book.start_run(job(), held(1))
        book.commit()
    assert seen(memory).runs["1001.0"]["end_mono_us"] is None
    assert len(memory.entries()) == 5


def test_a_run_without_a_job_id_is_refused(memory: Memory) -> None:
    with memory.book().open(0) as book, pytest.raises(ValueError, match="without a job id"):
        book.start_run(job(SLURM_JOB_ID="x"), [])


@pytest.mark.parametrize(
    ("told", "code", "signal", "known"),
    [
        ("3:0", 3, 0, True), ("0:9", 0, 9, True), ("137:0", 137, 0, True), ("0:0", 0, 0, False), ("0:54", 0, 54, False), (None, None, None, False),
        ("", None, None, False), ("x:y", None, None, False), ("3", None, None, False), ("-1:0", None, None, False),
    ],
)  # fmt: skip
def test_an_exit_code_is_known_unless_a_cancel_could_look_the_same(
    told: str | None,
    code: int | None,
    signal: int | None,
    known: bool,  # noqa: FBT001 - a column
) -> None:
    assert exit_of(told) == {"code": code, "signal": signal, "raw": told, "known": known}


def test_ended_runs_stay_until_the_kernel_log_was_read_beyond_their_grace(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(), held(1))
        book.end_run(job(), "0:0")
        book.commit()
    memory.clock.sleep(1000)
    for seconds_behind_the_end, kept in ((0, True), (29, True), (31, False)):
        with memory.book().open(0) as book:
            assert "1001.0" in book.state.runs
            book.state.read_us = int((BEGIN + seconds_behind_the_end) * MICRO)
            book.commit()
        assert ("1001.0" in seen(memory).runs) == kept


def test_a_kernel_log_that_cannot_be_read_does_not_make_the_state_grow(memory: Memory) -> None:
    with memory.book().open(0) as book:
        for number in range(400):
            memory.clock.sleep(0.001)
            book.start_run(job(number), held(1))
            book.end_run(job(number), "0:0")
        book.commit()
    kept = seen(memory).runs
    assert len(kept) == 256
    assert "399.0" in kept
