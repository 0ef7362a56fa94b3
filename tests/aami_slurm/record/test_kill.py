"""kill -9 before every system call of a hook, and in the middle of every write: nothing promised is lost, nothing doubled."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aami_slurm import kernel_log, repair, textfile
from aami_slurm.settings import Settings
from tests.aami_slurm.record.dying import killed_at
from tests.aami_slurm.record.support import LATER_BOOT, Memory, check_lines, held, inventory, job, uuid, xid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aami_slurm.book import Book

pytestmark = pytest.mark.slow

CODES = Counter({"31": 2, "79": 1, "13": 3})
SMALL = 2500  # bytes of a segment: it is full within a few hooks


@pytest.fixture
def memory_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose fsync costs nothing: the kernel stays up in these tests."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="aami-kill-", dir="/dev/shm") as folder:
        yield Path(folder)


def small(book: Book) -> Book:
    book._journal.largest = book._ledger.largest = SMALL
    return book


def prolog(memory: Memory, number: int, promise: Callable[[str], None]) -> None:
    """Said to be kept: the run and the events whose commit returned."""
    with small(memory.book()).open(0) as book:
        repair.repair(book, memory.places)
        book.start_run(job(number), held(number % 8))
        book.commit()
        promise(f"run:{number}.0")
        taken = kernel_log.take(book, str(memory.kmsg), inventory())
        book.note_hook("prolog", 0.01)
        book.commit()
        for event in taken.new:
            promise(f"kernel:{event['kernel_seq']}")
        textfile.write(memory.places, Settings({}), textfile.render(book.state, inventory(), Settings({}), 0))


def epilog(memory: Memory, number: int, promise: Callable[[str], None]) -> None:
    with small(memory.book()).open(0) as book:
        book.end_run(job(number), "0:0")
        taken = kernel_log.take(book, str(memory.kmsg), inventory())
        told = book.event("check", check="xid", outcome="fail")
        book.commit()
        promise(f"end:{number}.0")
        promise(f"event:{told['seq']}")
        for event in taken.new:
            promise(f"kernel:{event['kernel_seq']}")


def nothing(_word: str) -> None:
    """Nobody looks at what these hooks promise: they are not killed."""


def make(root: Path, before: str) -> Memory:
    """A node at the moment when the hook that will be killed begins."""
    memory = Memory(root)
    (root / "var/lib/prometheus/node-exporter").mkdir(parents=True)
    memory.says("usb 1-1: new device", xid(2, 31), "eth0: link up")
    if before == "first":
        memory.says(xid(2, 31), xid(5, 79, "GPU has fallen off the bus."), *[xid(1, 13)] * 3)
        return memory
    prolog(memory, 2, nothing)
    memory.says(xid(2, 31), xid(5, 79, "GPU has fallen off the bus."), *[xid(1, 13)] * 3)
    if before == "rotating":
        with small(memory.book()).open(0) as book:
            book.event("check", padding="x" * 900)
            book.commit()
    return memory


def other_boot(root: Path) -> None:
    """What a boot before this one left: an open run, and a line torn by a power cut."""
    memory = Memory(root, LATER_BOOT)
    with memory.book().open(0) as book:
        book.start_run(job(77), held(7))
        book.event("check")
        book.commit()
    (segment,) = (root / "var/lib/aami-hpc/journal").glob(f"{LATER_BOOT}-*")
    with segment.open("ab") as torn:
        torn.write(b'{"schema":')


def check(memory: Memory, promised: list[str], calls: int) -> None:
    """What the next hook finds, and what is there once it has done its own work."""
    where = f"killed before call {calls}"
    for word in promised:
        what, _, told = word.partition(":")
        if what == "run":
            assert any(f"{entry['job_id']}.0" == told for entry in memory.entries("start")), where
        if what == "end":
            assert any(f"{entry['job_id']}.0" == told for entry in memory.entries("end")), where
        if what == "event":
            assert int(told) in [event["seq"] for event in memory.events()], where
        if what == "kernel":
            assert int(told) in [event.get("kernel_seq") for event in memory.events()], where
    prolog(memory, 2, nothing)
    prolog(memory, 3, nothing)
    epilog(memory, 2, nothing)
    with memory.book().open(0) as book:
        state = book.state
    events, entries = memory.events(), memory.entries()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), where
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1)), where
    assert Counter(str(event["code"]) for event in events if event["kind"] == "xid") == CODES, where
    assert state.totals == {uuid(2): {"31": 2}, uuid(5): {"79": 1}, uuid(1): {"13": 3}}, where
    # A killed hook may have begun run 2 or ended it: then it began again, and was closed again.
    assert state.runs["2.0"]["end_mono_us"] is not None, where
    assert state.runs["3.0"]["end_mono_us"] is None, where
    assert len(memory.entries("boot")) == 1, where
    check_lines(memory)


@pytest.mark.parametrize("before", ["first", "later", "rotating"])
@pytest.mark.parametrize("hook", [prolog, epilog])
@pytest.mark.parametrize("half", [False, True])
def test_killed_at_every_step(
    memory_folder: Path, hook: Callable[..., None], before: str, *, half: bool
) -> None:
    template = make(memory_folder / "template", before).root
    if before == "first":
        other_boot(template)
    steps = 0
    while True:
        steps += 1
        root = memory_folder / f"step-{steps}"
        shutil.copytree(template, root)
        memory = Memory(root)
        killed, promised = killed_at(lambda promise: hook(memory, 2, promise), steps, half=half)  # noqa: B023 - called here
        if not killed:
            break
        if steps % 2 == half:  # so that each step is met with the snapshot and without
            memory.forget_snapshot()
        check(memory, promised, steps)
        shutil.rmtree(root)
    assert promised
    assert steps > 30
