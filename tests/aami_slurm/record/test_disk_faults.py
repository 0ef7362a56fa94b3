"""The node's disk full, or read-only: said in words, nothing half-written counts, and all goes on when there is room again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aami_slurm import kernel_log
from aami_slurm.book import Unwritable
from tests.aami_slurm.record.support import Memory, check_lines, held, inventory, job, uuid, xid
from tests.lab import faults
from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


@pytest.fixture
def full(lab_ledger: Ledger) -> Iterator[Path]:
    with lab(), faults.full_disk(lab_ledger, "256k") as path:
        yield path


def put_state_on(memory: Memory, disk: Path) -> None:
    state = Path(memory.places.state)
    state.parent.mkdir(parents=True, exist_ok=True)
    state.symlink_to(disk)


def hook(memory: Memory, number: int) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(number), held(number % 8))
        kernel_log.take(book, str(memory.kmsg), inventory())
        book.event("check", number=number)
        book.commit()


def room(disk: Path, size: int) -> None:
    """Let this many bytes be free."""
    with (disk / "filler").open("r+b") as filler:
        filler.truncate(max(0, (disk / "filler").stat().st_size - size))


def test_a_disk_that_is_full_from_the_start(memory: Memory, full: Path) -> None:
    put_state_on(memory, full)
    memory.says(xid(3, 31))
    for _ in range(2):
        with pytest.raises(Unwritable, match="No space left"):
            hook(memory, 1)
    assert (memory.events(), memory.entries()) == ([], [])
    room(full, 128 << 10)
    hook(memory, 1)
    assert [event["seq"] for event in memory.events()] == [1, 2]
    assert [event["kind"] for event in memory.events()] == ["xid", "check"]


def test_a_disk_that_fills_up_between_hooks(memory: Memory, full: Path) -> None:
    put_state_on(memory, full)
    room(full, 24 << 10)
    number = 0
    refused = 0
    while refused < 3:
        number += 1
        memory.says(xid(3, 31))
        try:
            hook(memory, number)
        except Unwritable:
            refused += 1
    check_lines(memory)
    assert number > 10
    room(full, 200 << 10)
    memory.forget_snapshot()
    hook(memory, number + 1)
    with memory.book().open(0) as book:
        assert book.state.totals == {uuid(3): {"31": number}}
    assert [event["seq"] for event in memory.events()] == list(range(1, len(memory.events()) + 1))
    assert len(memory.events("xid")) == number
    assert memory.events("error") == []


def test_a_read_only_disk(memory: Memory, lab_ledger: Ledger) -> None:
    with lab(), lab_ledger.inner("remount") as own:
        disk = own.folder / "fs"
        own.mount("-t", "tmpfs", "-o", "size=256k", source="aami-lab", target=disk)
        put_state_on(memory, disk)
        hook(memory, 1)
        own.run("mount", "-o", "remount,ro", disk)
        memory.says(xid(3, 31))
        for _ in range(2):
            with pytest.raises(Unwritable, match="Read-only file system"):
                hook(memory, 2)
        own.run("mount", "-o", "remount,rw", disk)
        hook(memory, 2)
        assert [event["kind"] for event in memory.events()] == ["check", "xid", "check"]
        assert [entry["job_id"] for entry in memory.entries()] == [1, 2]
        with memory.book().open(0) as book:
            assert book.state.totals == {uuid(3): {"31": 1}}


def test_no_place_for_the_lock_either(memory: Memory, lab_ledger: Ledger) -> None:
    with lab(), faults.read_only(lab_ledger) as disk:
        Path(memory.places.run).parent.mkdir()
        Path(memory.places.run).symlink_to(disk / "run")
        with pytest.raises(Unwritable):
            memory.book().open(0).__enter__()


def _need_kernel_log() -> None:
    if not os.access("/dev/kmsg", os.R_OK | os.W_OK):
        pytest.skip("lab: this user can't write to /dev/kmsg")


def test_a_record_that_root_writes_into_the_real_device_is_refused(memory: Memory) -> None:
    _need_kernel_log()
    with memory.book().open(0) as book:
        kernel_log.take(book, "/dev/kmsg", inventory())
        book.commit()
    line = xid(3, 79, "pid=4711, name=aami-record-test, GPU has fallen off the bus.")
    with Path("/dev/kmsg").open("w", encoding="ascii") as device:
        device.write(f"<4>{line}\n")
    with memory.book().open(0) as book:
        taken = kernel_log.take(book, "/dev/kmsg", inventory())
        book.commit()
        assert book.state.totals == {}
        assert kernel_log.read("/dev/kmsg", book.state.cursor).found == []
    (event,) = [event for event in taken.new if "aami-record-test" in event.get("raw", "")]
    assert (event["kind"], event["why"], event["facility"]) == ("unattributed", "not-kernel", 1)
    assert taken.trouble is None
    check_lines(memory)


CRASH = """
import ctypes
open("/proc/self/comm", "w").write("NVRM: Xid 79: x")
ctypes.string_at(8)
"""


def test_a_process_named_like_a_report_that_segfaults_is_refused(memory: Memory) -> None:
    """The kernel itself prints its name at the start of a record, as facility 0."""
    _need_kernel_log()
    with memory.book().open(0) as book:
        kernel_log.take(book, "/dev/kmsg", inventory())
        book.commit()
    process = subprocess.Popen(["/usr/bin/python3", "-I", "-S", "-c", CRASH])
    assert process.wait(30) == -11
    with memory.book().open(0) as book:
        taken = kernel_log.take(book, "/dev/kmsg", inventory())
        book.commit()
        assert book.state.totals == {}
    found = [event for event in taken.new if f"[{process.pid}]" in event.get("raw", "")]
    if not found:
        pytest.skip("lab: this kernel does not print who segfaults")
    assert [(event["kind"], event["why"], event["facility"]) for event in found] == [
        ("unattributed", "not-driver", 0)
    ]
