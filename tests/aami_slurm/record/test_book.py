"""The book: what hooks remember of runs and events, however often they say it and whatever is lost beside it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aami_slurm.book import Book, Busy, Unwritable
from aami_slurm.clock import Clock
from tests.aami_slurm.record.support import BEGIN, BOOT, LATER_BOOT, MICRO, Memory, check_lines, held, job

if TYPE_CHECKING:
    from collections.abc import Callable

    from aami_slurm.state import State


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def seen(memory: Memory) -> State:
    """The state as the next hook finds it."""
    with memory.book().open(0) as book:
        return book.state


def test_an_event_has_what_every_event_has(memory: Memory) -> None:
    with memory.book().open(0) as book:
        told = book.event("check", check="xid", outcome="fail", gpu=3)
        book.commit()
    assert memory.events() == [told]
    assert told == {
        "schema": "aami.event/1", "node": "gpu-001", "boot_id": BOOT, "seq": 1, "time": "2026-11-20T05:03:20.000Z",
        "time_kind": "wall", "mono_us": int(BEGIN * MICRO), "kind": "check", "check": "xid", "outcome": "fail", "gpu": 3,
    }  # fmt: skip
    check_lines(memory)


def test_numbers_go_on_from_hook_to_hook(memory: Memory) -> None:
    for _ in range(3):
        with memory.book().open(0) as book:
            book.event("check")
            book.event("check")
            book.commit()
    assert [event["seq"] for event in memory.events()] == [1, 2, 3, 4, 5, 6]


def test_a_number_or_schema_of_the_callers_is_not_taken(memory: Memory) -> None:
    with memory.book().open(0) as book:
        told = book.event("check", seq=99, schema="x")
    assert (told["seq"], told["schema"]) == (1, "aami.event/1")


def test_what_was_not_committed_was_never_said(memory: Memory) -> None:
    def fails(book: Book) -> None:
        with book.open(0):
            book.event("check")
            book.start_run(job(), held(1))
            raise RuntimeError("a defect")

    book = memory.book()
    with pytest.raises(RuntimeError):
        fails(book)
    assert (memory.events(), memory.entries()) == ([], [])
    with book.open(0):
        assert (book.state.seq, book.state.runs) == (0, {})
        book.event("check")
        book.commit()
        book.event("check")
    assert len(memory.events()) == 1


def test_covered_evidence_stays_covered(memory: Memory) -> None:
    with memory.book().open(0) as book:
        for _ in range(5):
            book.event("check")
        book.cover(4)
        book.event("drain", covers=0)
        book.commit()
    memory.forget_snapshot()
    assert seen(memory).covered_seq == 4


def test_notes_are_for_the_metrics_and_bounded(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.note_hook("prolog", 0.25)
        book.note_checks([("old", "pass", 0.1)])
        memory.clock.sleep(10)
        book.note_checks([(f"site-{number}", "pass", 0.1) for number in range(256)])
        book.commit()
    state = seen(memory)
    assert state.hooks["prolog"]["seconds"] == 0.25
    assert (len(state.checks), "old" in state.checks) == (256, False)
    assert (memory.events(), memory.entries()) == ([], [])


def everything(state: State) -> dict[str, Any]:
    return {"journal": state.journal.to_dict(), "ledger": state.ledger.to_dict()}


def _many_steps() -> list[Callable[[Book], object]]:
    return [
        lambda book: book.start_run(job(1), held(1)),
        lambda book: book.event("check", check="xid"),
        lambda book: book.start_run(job(2), [], ["5"]),
        lambda book: book.end_run(job(1), "0:0"),
        lambda book: book.cover(1),
        lambda book: book.resolve_run("2.0", held(5)),
        lambda book: book.end_run("3.0", None),
        lambda book: book.event("check", check="xid", padding="x" * 700),
    ]


@pytest.mark.parametrize("largest", [1 << 20, 900])
def test_the_snapshot_may_vanish_at_any_time(tmp_path: Path, largest: int) -> None:
    """Two nodes live through the same; one of them loses its snapshot between all hooks."""
    keeps, loses = Memory(tmp_path / "keeps"), Memory(tmp_path / "loses")
    for step in _many_steps() * 3:
        for memory in (keeps, loses):
            book = memory.book()
            book._journal.largest = book._ledger.largest = largest
            with book.open(0):
                step(book)
                book.commit()
        loses.forget_snapshot()
        assert everything(seen(loses)) == everything(seen(keeps))
    assert loses.events() == keeps.events()
    assert loses.entries() == keeps.entries()
    check_lines(loses)


@pytest.mark.parametrize(
    "spoilt",
    [b"", b"{", b"[]", b"{}", b"\xff\xff", b'{"schema":"aami.state/1"}',
     b'{"schema":"aami.state/1","boot_id":"BOOT","notes":{},"journal":{"size":"x","state":{}}}',
     b'{"schema":"aami.state/1","boot_id":"BOOT","notes":{},"journal":[1]}',
     b'{"schema":"aami.state/1","boot_id":"BOOT","notes":7}'],
)  # fmt: skip
def test_a_spoilt_snapshot_is_none(memory: Memory, spoilt: bytes) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(), held(1))
        book.event("check")
        book.commit()
    for name in ("state.json", "seq"):
        (Path(memory.places.run) / name).write_bytes(spoilt.replace(b"BOOT", BOOT.encode()))
    state = seen(memory)
    assert (state.seq, list(state.runs)) == (1, ["1001.0"])


def test_a_disk_that_was_wiped_does_not_bring_numbers_back(memory: Memory) -> None:
    """Stateless images may lose /var/lib at any time; /run is the machine's memory."""
    for _ in range(2):
        with memory.book().open(0) as book:
            book.event("check")
            book.start_run(job(book.state.seq), held(1))
            book.commit()
        for folder in (memory.places.journal, memory.places.ledger):
            for path in Path(folder).iterdir():
                path.unlink()
            Path(folder).rmdir()
        Path(memory.places.state).rmdir()
    memory.forget_snapshot()
    with memory.book().open(0) as book:
        told = book.event("check")
        book.start_run(job(3), held(1))
        book.commit()
    assert told["seq"] == 3
    assert [entry["seq"] for entry in memory.entries()] == [3]


def test_another_boot_begins_anew(tmp_path: Path) -> None:
    before = Memory(tmp_path)
    with before.book().open(0) as book:
        book.event("check")
        book.start_run(job(), held(1))
        book.note_hook("prolog", 1)
        book.commit()
    after = Memory(tmp_path, LATER_BOOT)
    with after.book().open(0) as book:
        assert (book.state.seq, book.state.runs, book.state.hooks) == (0, {}, {})
        book.event("check")
        book.commit()
    assert [event["seq"] for event in after.events()] == [1]
    assert [event["seq"] for event in before.events()] == [1]


@pytest.mark.parametrize("part", ["journal", "ledger"])
@pytest.mark.parametrize("snapshot", [True, False])
def test_a_torn_line_is_told_once(memory: Memory, part: str, *, snapshot: bool) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(), held(1))
        book.event("check")
        book.commit()
    (segment,) = Path(getattr(memory.places, part)).iterdir()
    with segment.open("ab") as torn:
        torn.write(b'{"schema":"aa')
    for _ in range(3):
        if not snapshot:
            memory.forget_snapshot()
        with memory.book().open(0) as book:
            pass  # a hook that is killed now tells nobody
        with memory.book().open(0) as book:
            book.event("check")
            book.commit()
    (told,) = memory.events("error")
    assert (told["what"], told["log"], told["segment"], told["bytes"]) == (
        "torn-line",
        part,
        segment.name,
        13,
    )
    assert len(memory.entries("torn")) == (part == "ledger")
    assert [event["seq"] for event in memory.events()] == list(range(1, 6))
    check_lines(memory)


def test_a_line_that_means_nothing_does_not_stop_the_hooks(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.event("check")
        book.commit()
    (segment,) = Path(memory.places.journal).iterdir()
    with segment.open("ab") as spoilt:
        spoilt.write(b'{"seq":2,"kind":"xid","kernel_seq":5}\n')
    with memory.book().open(0) as book:
        book.event("check")
        book.commit()
    assert seen(memory).seq == memory.events()[-1]["seq"]
    assert [event.get("what") for event in memory.events("error")] == ["torn-line"]


def test_a_line_is_never_longer_than_a_reader_expects(memory: Memory) -> None:
    with memory.book().open(0) as book:
        told = book.event("check", evidence={"raw": "x" * 100_000}, summary="short")
        book.commit()
    assert told["evidence"] == {"cut": 100_010}
    assert memory.events() == [told]
    assert told["summary"] == "short"


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), {1, 2}, object(), "\ud800", b"bytes"])
def test_a_value_that_json_has_no_form_for_does_not_stop_a_hook(memory: Memory, odd: Any) -> None:
    with memory.book().open(0) as book:
        book.event("check", evidence={"value": odd}, summary="kept")
        book.commit()
    (told,) = memory.events()
    assert told["summary"] == "kept"
    check_lines(memory)


def test_a_book_that_another_process_keeps_is_busy(memory: Memory) -> None:
    with memory.book().open(0):
        before = memory.clock.mono()
        with pytest.raises(Busy), memory.book().open(1.0):
            pass
        assert memory.clock.mono() - before < 1.1


def test_a_defect_while_it_opens_leaves_no_lock(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    book = memory.book()
    with monkeypatch.context() as patch:
        patch.setattr(book._snapshot, "restore", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            book.open(0).__enter__()
    with memory.book().open(0):
        pass


def test_a_state_folder_that_is_a_file_is_unwritable_and_told_with_its_name(memory: Memory) -> None:
    Path(memory.places.state).parent.mkdir(parents=True)
    Path(memory.places.state).write_text("?")
    with pytest.raises(Unwritable, match="aami-hpc") as told:
        memory.book().open(0).__enter__()
    assert isinstance(told.value, OSError)
    Path(memory.places.state).unlink()
    with memory.book().open(0) as book:
        book.event("check")
        book.commit()
    assert [event["seq"] for event in memory.events()] == [1]


def test_a_snapshot_that_cannot_be_written_loses_nothing_and_is_told(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.event("check")
        (Path(memory.places.run) / "state.json").mkdir()
        assert "the snapshot: " in str(book.commit())
    (Path(memory.places.run) / "state.json").rmdir()
    assert seen(memory).seq == 1


def test_only_root_reads_who_ran_what(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.event("check")
        book.start_run(job(), held(1))
        book.commit()
    paths = [path for path in (memory.root / "var").rglob("*") if path.suffix == ".jsonl"]
    paths += Path(memory.places.run).iterdir()
    assert len(paths) == 5
    assert not any(stat.S_IMODE(path.stat().st_mode) & 0o007 for path in paths)
    assert stat.S_IMODE(Path(memory.places.journal).stat().st_mode) & 0o007 == 0


def test_the_real_clock_is_the_kernels(memory: Memory) -> None:
    with memory.book(Clock()).open(0) as book:
        told = book.event("check")
    with Path("/proc/uptime").open(encoding="ascii") as uptime:
        assert abs(told["mono_us"] / MICRO - float(uptime.read().split()[0])) < 60
    assert json.dumps(told)
