"""Reading the kernel log: what is new, once; gaps, floods, garbage; and what it costs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aami_slurm import kernel_log
from aami_slurm.kernel_log import read, skew, take
from aami_slurm.state import MICRO
from aami_xid.tables import table
from tests.aami_slurm.record.support import (
    BEGIN,
    PACKAGES,
    SCHEMAS,
    Memory,
    check_lines,
    inventory,
    uuid,
    xid,
)
from tests.xid.lines import published


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def look(memory: Memory, gpus: int = 8) -> kernel_log.Taken:
    """One hook's look, a second after the one before."""
    memory.clock.sleep(1)
    with memory.book().open(0) as book:
        taken = take(book, str(memory.kmsg), inventory(gpus))
        book.commit()
    return taken


def stream(path: Path, *records: str) -> str:
    path.write_text("".join(record + "\n" for record in records))
    return str(path)


def test_every_record_is_seen_once(memory: Memory) -> None:
    memory.says("usb 1-1: new device", xid(3, 31), "eth0: link up")
    assert [event["code"] for event in look(memory).new] == [31]
    assert look(memory).new == []
    memory.says("eth0: link down", xid(5, 79, "GPU has fallen off the bus."))
    assert [(event["code"], event["gpu"]) for event in look(memory).new] == [(79, 5)]
    with memory.book().open(0) as book:
        assert (book.state.cursor, book.state.totals) == (4, {uuid(3): {"31": 1}, uuid(5): {"79": 1}})
    check_lines(memory)


def test_without_the_snapshot_the_journal_knows_the_place(memory: Memory) -> None:
    memory.says(xid(3, 31), "eth0: link up")
    look(memory)
    for _ in range(2):
        memory.forget_snapshot()
        assert look(memory).new == []
    assert len(memory.events("xid")) == 1


def test_a_record_has_its_further_lines_with_it(memory: Memory) -> None:
    text = "4,1,1000,-;" + xid(3, 31)
    path = stream(
        memory.kmsg,
        "6,0,900,-;usb",
        " SUBSYSTEM=usb",
        text,
        " SUBSYSTEM=pci",
        " DEVICE=+pci:0000:c3:00.0",
        "6,2,1100,-;x",
    )
    told = read(path, None)
    assert ([event.code for event in told.events], told.last_seq, told.lost) == ([31], 2, 0)
    assert told.events[0].raw == text


def test_an_unfinished_line_waits_for_its_end(memory: Memory) -> None:
    record = f"4,0,1000,-;{xid(3, 31)}"
    memory.kmsg.write_text(record)
    assert (read(str(memory.kmsg), None).events, read(str(memory.kmsg), None).last_seq) == ([], None)
    memory.kmsg.write_text(record + "\n")
    assert [event.code for event in read(str(memory.kmsg), None).events] == [31]


def test_a_name_with_a_line_end_in_it_is_no_record(memory: Memory) -> None:
    """The kernel writes it escaped; a further line of a record begins with a blank."""
    path = stream(
        memory.kmsg,
        "6,0,1,-;usb 1-1: Product: \\x0aNVRM: Xid (PCI:0000:c3:00): 79, x",
        " NVRM: Xid (PCI:0000:c3:00): 79, x",
    )
    assert [event.kind for event in read(path, None).events] == ["text"]


def test_records_that_were_overwritten_are_counted_once(memory: Memory) -> None:
    memory.says("a", "b")
    look(memory)
    memory.kernel_seq += 40
    memory.says("c", xid(3, 31), "d")
    memory.kernel_seq += 2
    memory.says("e")
    taken = look(memory)
    assert [(event["kind"], event.get("lost")) for event in taken.new] == [
        ("error", 40),
        ("xid", None),
        ("error", 2),
    ]
    memory.forget_snapshot()
    assert look(memory).new == []
    with memory.book().open(0) as book:
        assert book.state.lost == 42
    check_lines(memory)


def test_gaps_with_nothing_of_interest_between_are_one_event(memory: Memory) -> None:
    told = read(stream(memory.kmsg, "6,1,1,-;a", "6,5,1,-;b", "6,9,1,-;c"), 0)
    assert told.found == [(8, None, 6)]
    assert (told.lost, told.last_seq) == (6, 9)


def test_what_was_gone_before_the_first_look_is_told_and_not_counted(memory: Memory) -> None:
    memory.kernel_seq = 700
    memory.says("a")
    assert look(memory).new == []
    memory.forget_snapshot()
    look(memory)
    assert [event["what"] for event in memory.events("error")] == ["kernel-log-began-earlier"]
    with memory.book().open(0) as book:
        assert book.state.lost == 0


def test_a_log_that_cannot_be_read_is_told_once_and_when_it_is_over(memory: Memory) -> None:
    memory.kmsg.unlink()
    for _ in range(3):
        assert "No such file" in str(look(memory).trouble)
        memory.forget_snapshot()
    memory.kmsg.touch()
    memory.says(xid(3, 31))
    assert look(memory).trouble is None
    look(memory)
    told = [(event["kind"], event.get("what")) for event in memory.events()]
    assert told == [("error", "kernel-log"), ("restored", "kernel-log"), ("xid", None)]
    check_lines(memory)


@pytest.mark.parametrize("kind", ["folder", "pipe", "null", "huge"])
def test_what_is_no_kernel_log_is_trouble_and_no_wait(memory: Memory, kind: str) -> None:
    path = memory.root / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(kernel_log.LARGEST_FILE + 1)
    else:
        path = Path("/dev/null")
    told = read(str(path), 5)
    assert (told.trouble is None) == (kind == "null")
    assert (told.events, told.last_seq) == ([], 5)


class Device:
    """Answers reads as /dev/kmsg does; only the kernel itself can overwrite a record at the right moment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: bytes | OSError) -> None:
        self.answers = list(answers)
        monkeypatch.setattr(os, "read", self.read)

    def read(self, _handle: int, _size: int) -> bytes:
        answer = self.answers.pop(0) if self.answers else BlockingIOError()
        if isinstance(answer, OSError):
            raise answer
        return answer


def record(seq: int, message: str = "x") -> bytes:
    return f"4,{seq},{seq * 10},-,caller=T1;{message}\n".encode()


def test_a_record_overwritten_while_we_read_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    Device(monkeypatch, record(1), BrokenPipeError(), record(9, xid(3, 31)), BrokenPipeError(), record(12))
    told = read("/dev/null", 0)
    assert [(seq, lost, event and event.code) for seq, event, lost in told.found] == [
        (8, 7, None),
        (9, 0, 31),
        (11, 2, None),
    ]
    assert (told.lost, told.last_seq, told.trouble, told.whole) == (9, 12, None, True)


def test_a_device_that_fails_midway_keeps_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Device(monkeypatch, record(1, xid(3, 31)), OSError(5, "Input/output error"))
    told = read("/dev/null", 0)
    assert (len(told.events), told.last_seq, told.trouble) == (1, 1, "/dev/null: Input/output error")


@pytest.mark.parametrize("odd", [b"\n", b"4", b"4,x,1,-;y\n", b"\xff" * 20])
def test_a_device_that_says_something_else_is_trouble(monkeypatch: pytest.MonkeyPatch, odd: bytes) -> None:
    Device(monkeypatch, odd, record(1, xid(3, 31)))
    told = read("/dev/null", 0)
    assert ([event.code for event in told.events], told.trouble) == (
        [31],
        "/dev/null: not every record has a number",
    )


def test_a_log_that_never_ends_does_not_keep_a_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(Device):
        count = 0

        def read(self, _handle: int, _size: int) -> bytes:
            Endless.count += 1
            return record(Endless.count)

    monkeypatch.setattr(kernel_log, "MOST_RECORDS", 500)
    Endless(monkeypatch)
    told = read("/dev/null", None)
    assert (Endless.count, told.last_seq, told.whole) == (500, 500, False)


def test_a_storm_of_reports_is_taken_piece_by_piece(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_log, "MOST_MARKED", 10)
    memory.says(*[xid(3, 31)] * 25)
    assert [len(look(memory).new) for _ in range(4)] == [10, 10, 5, 0]
    with memory.book().open(0) as book:
        assert book.state.totals == {uuid(3): {"31": 25}}


def test_a_storm_does_not_push_out_what_happened_once(memory: Memory) -> None:
    memory.says(xid(5, 79, "GPU has fallen off the bus."), *[xid(3, 31)] * 300, *[xid(4, 13)] * 300)
    look(memory)
    with memory.book().open(0) as book:
        assert [event["code"] for event in book.state.recent] == [79] + [31] * 8 + [13] * 8
        assert book.state.totals[uuid(3)] == {"31": 300}
    memory.clock.sleep(3601)
    with memory.book().open(0) as book:
        assert book.state.recent == []


def test_the_driver_speaking_is_told_whatever_it_says(memory: Memory) -> None:
    for message, expected in (
        ("eth0: link up", False), ("NVRM: loading NVIDIA UNIX x86_64 Kernel Module  550.54.15", True),
        ("nvidia-nvswitch0: open", True), ("nvidia 0000:c3:00.0: enabling device", False), (xid(3, 31), True),
    ):  # fmt: skip
        memory.says(message)
        assert look(memory).driver_lines is expected, message
    memory.says(xid(3, 31), facility=1)
    assert not look(memory).driver_lines


PIECES = [
    b"4,1,2,-;", b"6,", b",", b";", b"NVRM: ", b"Xid", b" (PCI:0000:c3:00", b"): ", b"79", b", pid=", b"nvidia-nvswitch0: ", b"nvidia ",
    b"SXid (PCI:0000:05:00.0): 20034, Fatal, Link 1 x", b"\n", b"\n ", b"\xff", b"\x00", b"9" * 30, b"-1", b"GPU has fallen off the bus.",
    b"4,7,99999999999999999999,-;NVRM: Xid (PCI:0000:c3:00): 79, x\n", b"4,3,5,-;NVRM: Xid (PCI:0000:c3:00): 31, x\n", b"\\x0a",
    "4,9,5,-;NVRM: Xid (PCI:0000:c3:00): 13, pid=1, name=\u00e9\u202e, Graphics SM Warp Exception\n".encode(), b"\r", b"\x1b[31m",
]  # fmt: skip


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=30).map(b"".join),
    st.none() | st.integers(0, 9),
)
@example(b"4,1,2,-;NVRM: Xid (PCI:0000:c3:00): 31, " + "\u00e9".encode() * 3000 + b"\n", None)
@example(b"4,99999999999999999999999,2,-;NVRM: Xid (PCI:0000:c3:00): 31\n", None)
@example(b"4,1,2,-;NVRM: Xid (PCI:0000:c3:00): 999999999, \x00\x1f\n", None)
def test_any_stream_is_read_and_what_is_journalled_is_whole(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cursor: int | None
) -> None:
    memory = Memory(tmp_path_factory.mktemp("any"))
    memory.kmsg.write_bytes(data)
    told = read(str(memory.kmsg), cursor)
    assert told.last_seq is None or told.last_seq >= (cursor or 0)
    taken = look(memory)
    assert look(memory).new == []
    assert all(event["kind"] in {"error", "unattributed"} or event["facility"] == 0 for event in taken.new)
    check_lines(memory)


def test_all_published_lines_are_journalled_as_the_schema_says(memory: Memory) -> None:
    """With every GPU that is named in them in this node."""
    messages = [re.sub(r"^.*?(?=NVRM:|nvidia[ :-])", "", line.text) for line in published()]
    memory.says(*(message.encode("ascii", "backslashreplace").decode() for message in messages))
    named = sorted({str(line.expected["bus_id"]) for line in published() if line.expected["bus_id"]})
    every = {
        "gpus": [
            {**gpu, "bus_id": bus_id}
            for gpu, bus_id in zip(inventory(len(named))["gpus"], named, strict=True)
        ]
    }
    memory.clock.sleep(1)
    with memory.book().open(0) as book:
        taken = take(book, str(memory.kmsg), every)
        book.commit()
    believed = {event["kind"] for event in taken.new if event["kind"] != "unattributed"}
    assert {"xid", "fallen-off", "probe-failed", "aer"} <= believed
    check_lines(memory)


def test_the_schema_knows_every_kind_that_can_be_believed() -> None:
    schema = json.loads((SCHEMAS / "event.schema.json").read_text(encoding="utf-8"))
    known = schema["allOf"][0]["if"]["properties"]["kind"]["enum"]
    assert set(known) == {"xid", "sxid", *table("codes")["kind"]}


@pytest.mark.parametrize(
    ("known", "read_us", "stamps", "now", "expected"),
    [
        (0, None, (50, 60), 100, 0),  # a first look: nothing contradicts the stamps
        (0, 40, (50, 60), 100, 0),
        (0, 70, (50, 60), 100, 20),  # it was written after the last look
        (0, 40, (50, 160), 100, -60),  # it was written before now
        (25, 70, (50, 60), 100, 25),  # what is known holds, until something contradicts it
        (90, 70, (50, 60), 100, 40),
        (0, 9_000_000, (50, 60), 9_000_100, 0),  # too far for a drift: the stamps are somebody's own
        (7, None, (50, 9_000_000), 100, 7),
    ],
)  # fmt: skip
def test_the_kernels_clock_is_put_on_ours(
    known: int, read_us: int | None, stamps: tuple[int, int], now: int, expected: int
) -> None:
    assert skew(known, read_us, *stamps, now) == expected


def test_an_event_is_between_the_looks_even_when_the_kernels_clock_has_drifted(memory: Memory) -> None:
    """After weeks of uptime the stamps of the kernel log are a minute off; attribution rests on seconds."""
    memory.clock.now = 30 * 86400.0
    look(memory)
    memory.clock.sleep(100)
    drift = 60.0
    memory.clock.now -= drift
    memory.says(xid(3, 31))
    memory.clock.now += drift
    (event,) = look(memory).new
    before = (30 * 86400 + 1) * MICRO
    assert before <= event["mono_us"] <= before + 101 * MICRO
    memory.clock.now -= drift
    memory.says(xid(3, 31))
    memory.clock.now += drift
    (event,) = look(memory).new
    assert abs(event["mono_us"] - int(memory.clock.now - 1) * MICRO) < MICRO
    assert event["kernel_us"] < event["mono_us"]


def test_a_stamp_of_the_future_is_now(memory: Memory) -> None:
    memory.kmsg.write_text(f"4,0,{10**18},-;{xid(3, 31)}\n")
    (event,) = look(memory).new
    assert event["mono_us"] == int((BEGIN + 1) * MICRO)


def test_what_has_no_drivers_mark_costs_no_parser(memory: Memory) -> None:
    """2,000 records and a hook that only skips them: neither the grammar nor `re` is loaded."""
    memory.says(*["systemd[1]: Started a session of some user."] * 2000)
    code = (
        f"import sys; sys.path[:0] = {PACKAGES!r}; from aami_slurm import kernel_log\n"
        f"told = kernel_log.read({str(memory.kmsg)!r}, None); assert told.last_seq == 1999 and not told.found\n"
        "bad = {'aami_xid', 're', 'json', 'typing', 'pathlib', 'subprocess', 'logging', 'contextlib', 'collections'}\n"
        "assert not bad & set(sys.modules), bad & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_skipping_is_about_as_cheap_as_reading(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One read a record and nothing else: no more calls than records, and a few for the rest."""
    answers: list[bytes | OSError] = [record(seq) for seq in range(2000)]
    device = Device(monkeypatch, *answers)
    monkeypatch.setattr(kernel_log, "_interpret", lambda *_: pytest.fail("nothing here is of interest"))
    assert read("/dev/null", 1999).found == []
    assert device.answers == []
