"""Many hooks at once: every number once, every kernel record once, nothing missing."""

from __future__ import annotations

import os
import time
import traceback
from collections import Counter
from typing import TYPE_CHECKING, NoReturn

import pytest

from aami_slurm import kernel_log
from aami_slurm.clock import Clock
from tests.aami_slurm.record.support import Memory, check_lines, held, inventory, job, uuid, xid

if TYPE_CHECKING:
    from pathlib import Path

WRITERS, ROUNDS, RECORDS = 20, 4, 60


def hook(memory: Memory, number: int) -> None:
    for turn in range(ROUNDS):
        with memory.book(Clock()).open(60) as book:
            book.start_run(job(number * 100 + turn), held(number % 8))
            kernel_log.take(book, str(memory.kmsg), inventory())
            book.commit()
        with memory.book(Clock()).open(60) as book:
            book.event("check", writer=number)
            book.end_run(job(number * 100 + turn), "0:0")
            book.commit()


def kernel(memory: Memory) -> None:
    for _ in range(RECORDS):
        memory.says(xid(3, 31), "eth0: link up")
        time.sleep(0.01)


def in_a_child(work: object, *given: object) -> int:
    pid = os.fork()
    if pid == 0:
        _run(work, *given)
    return pid


def _run(work: object, *given: object) -> NoReturn:
    status = 1
    try:
        assert callable(work)
        work(*given)
        status = 0
    except BaseException:  # noqa: BLE001 - the test's own stack must not run in the child
        traceback.print_exc()
    finally:
        os._exit(status)


@pytest.mark.slow
def test_twenty_hooks_side_by_side(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    children = [in_a_child(kernel, memory)]
    children += [in_a_child(hook, memory, number) for number in range(1, WRITERS + 1)]
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * len(children)
    with memory.book(Clock()).open(10) as book:
        kernel_log.take(book, str(memory.kmsg), inventory())
        book.commit()
        state = book.state
    events, entries = memory.events(), memory.entries()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [entry["seq"] for entry in entries] == list(range(1, 2 * WRITERS * ROUNDS + 1))
    assert Counter(event["writer"] for event in memory.events("check")) == dict.fromkeys(
        range(1, WRITERS + 1), ROUNDS
    )
    assert [event["kernel_seq"] for event in memory.events("xid")] == list(range(0, 2 * RECORDS, 2))
    assert state.totals == {uuid(3): {"31": RECORDS}}
    assert all(run["end_mono_us"] is not None for run in state.runs.values())
    check_lines(memory)
