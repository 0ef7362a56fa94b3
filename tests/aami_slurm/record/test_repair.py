"""What earlier boots left open is closed once, by the first hook of a later one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aami_slurm import repair
from aami_slurm.book import Unwritable
from tests.aami_slurm.record.support import Memory, check_lines, held, job

if TYPE_CHECKING:
    from aami_slurm.book import Book
    from aami_slurm.places import Places
    from aami_slurm.state import Ledger

BOOTS = [f"0d1e2f30-0000-4000-8000-{number:012d}" for number in range(4)]


def boot(root: Path, number: int) -> Memory:
    return Memory(root, BOOTS[number])


def runs(memory: Memory, *numbers: int, ended: tuple[int, ...] = ()) -> None:
    with memory.book().open(0) as book:
        for number in numbers:
            book.start_run(job(number), held(number % 8))
        for number in ended:
            book.end_run(job(number), "0:0")
        book.event("check")
        book.commit()


def repaired(memory: Memory) -> list[tuple[str, int]]:
    """Run it as a hook does; whose ends were written in this boot by now."""
    with memory.book().open(0) as book:
        repair.repair(book, memory.places)
        book.commit()
    check_lines(memory)
    return [(entry["of_boot"], entry["job_id"]) for entry in memory.entries("end") if entry["repaired"]]


def age(memory: Memory) -> None:
    """Make this boot's files older than those of the next."""
    for folder in (memory.places.journal, memory.places.ledger):
        for path in Path(folder).glob(f"{memory.boot_id}-*"):
            os.utime(path, (path.stat().st_mtime - 1000,) * 2)


def test_open_runs_of_an_earlier_boot_end_with_it(tmp_path: Path) -> None:
    runs(boot(tmp_path, 0), 1, 2, 3, ended=(2,))
    now = boot(tmp_path, 1)
    runs(now, 9)
    assert repaired(now) == [(BOOTS[0], 1), (BOOTS[0], 3)]
    assert repaired(now) == [(BOOTS[0], 1), (BOOTS[0], 3)]
    end = now.entries("end")[0]
    assert (end["end"], end["end_mono_us"], end["ended_by"], end["user"]) == (None, None, "boot-end", "alice")
    assert (end["start_mono_us"], end["exit"]["known"]) == (1_000_000_000, False)
    with now.book().open(0) as book:
        assert list(book.state.runs) == ["9.0"]
        assert book.state.runs["9.0"]["end_mono_us"] is None


def test_a_boot_that_was_repaired_is_left_alone_by_all_later_ones(tmp_path: Path) -> None:
    first = boot(tmp_path, 0)
    runs(first, 1)
    age(first)
    second = boot(tmp_path, 1)
    assert repaired(second) == [(BOOTS[0], 1)]
    runs(second, 5)
    age(first)
    age(second)
    assert repaired(boot(tmp_path, 2)) == [(BOOTS[1], 5)]
    for memory in (first, second, boot(tmp_path, 2)):
        age(memory)
    assert repaired(boot(tmp_path, 3)) == []


def test_boots_that_nobody_repaired_are_all_repaired(tmp_path: Path) -> None:
    """Health never ran in the boot between."""
    runs(boot(tmp_path, 0), 1)
    age(boot(tmp_path, 0))
    runs(boot(tmp_path, 1), 2)
    assert sorted(repaired(boot(tmp_path, 2))) == [(BOOTS[0], 1), (BOOTS[1], 2)]


def test_the_same_job_may_be_open_in_two_boots(tmp_path: Path) -> None:
    runs(boot(tmp_path, 0), 1)
    age(boot(tmp_path, 0))
    runs(boot(tmp_path, 1), 1)
    now = boot(tmp_path, 2)
    runs(now, 1)
    assert sorted(repaired(now)) == [(BOOTS[0], 1), (BOOTS[1], 1)]
    with now.book().open(0) as book:
        assert book.state.runs["1.0"]["end_mono_us"] is None


def test_a_repair_that_was_cut_short_is_finished_without_a_second_end(tmp_path: Path) -> None:
    runs(boot(tmp_path, 0), 1, 2)
    now = boot(tmp_path, 1)
    repaired(now)
    (segment,) = Path(now.places.ledger).glob(f"{BOOTS[1]}-*")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0].replace(b'"begun":true', b'"begun":false') + lines[1])
    # The header of a segment holds what its first lines add up to: take that back, too.
    header, end = segment.read_bytes().splitlines(keepends=True)
    header = header.replace(b'"seq":3', b'"seq":0').replace(f'"{BOOTS[0]}"'.encode(), b"")
    segment.write_bytes(header + end)
    for path in Path(now.places.run).iterdir():
        path.unlink()
    assert repaired(now) == [(BOOTS[0], 1), (BOOTS[0], 2)]


def test_nothing_is_left_of_earlier_boots(tmp_path: Path) -> None:
    """Stateless images: this is every boot's first one."""
    now = boot(tmp_path, 0)
    assert repaired(now) == []
    assert [entry["op"] for entry in now.entries()] == ["boot"]


def test_the_line_that_a_power_cut_tore_is_told_by_the_next_boot(tmp_path: Path) -> None:
    before = boot(tmp_path, 0)
    runs(before, 1)
    torn = []
    for folder in (before.places.journal, before.places.ledger):
        (segment,) = Path(folder).iterdir()
        with segment.open("ab") as file:
            file.write(b'{"schema":"aami')
        torn.append(segment.name)
    now = boot(tmp_path, 1)
    assert repaired(now) == [(BOOTS[0], 1)]
    told = [(event["log"], event["of_boot"], event["segment"]) for event in now.events("error")]
    assert told == [("journal", BOOTS[0], torn[0]), ("ledger", BOOTS[0], torn[1])]
    repaired(now)
    assert len(now.events("error")) == 2


def test_only_one_boot_is_read_where_it_knows_of_all_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        memory = boot(tmp_path, number)
        repaired(memory)
        for older in range(number + 1):
            age(boot(tmp_path, older))
    read: list[str] = []
    real = repair._tell_torn

    def spy(book: Book, places: Places, name: str) -> Ledger:
        read.append(name)
        return real(book, places, name)

    monkeypatch.setattr(repair, "_tell_torn", spy)
    assert repaired(boot(tmp_path, 3)) == []
    assert read == [BOOTS[2]]


def test_a_disk_that_refuses_is_unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = boot(tmp_path, 0)

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with now.book().open(0) as book:
        monkeypatch.setattr(repair, "_boots", refuse)
        with pytest.raises(Unwritable, match="Input/output"):
            repair.repair(book, now.places)
