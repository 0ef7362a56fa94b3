"""The log: appended, rotated, capped, torn, replayed."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aami_slurm.log import Log, encode, lines_of, parse, segments

if TYPE_CHECKING:
    from pathlib import Path

BOOT, OTHER = "boot-b", "boot-a"


def line(seq: int, text: str = "") -> bytes:
    return encode({"seq": seq, "text": text})


def add(log: Log, *seqs: int, text: str = "") -> None:
    log.append(
        [line(seq, text) for seq in seqs], seqs[0], lambda: {"seq": seqs[-1], "sum": sum(range(seqs[-1] + 1))}
    )


def numbers(folder: Path, boot_id: str | None = None) -> list[int]:
    return [told["seq"] for told in lines_of(str(folder), boot_id)]


def test_lines_come_back_in_their_order(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "state/journal"), BOOT)
    assert log.load() == (None, [])
    for seq in range(1, 6):
        add(log, seq)
    again = Log(log.folder, BOOT)
    header, lines = again.load()
    assert header == {"seq": 1, "sum": 1}
    assert [told["seq"] for told in lines] == [1, 2, 3, 4, 5]
    assert (again.segment, again.size, again.damage) == (log.segment, log.size, [])
    assert again.load(log.segment, log.size) == (None, [])


def test_what_was_read_before_is_not_read_again(tmp_path: Path) -> None:
    log = Log(str(tmp_path), BOOT)
    log.load()
    add(log, 1)
    segment, size = log.segment, log.size
    add(log, 2, 3)
    header, lines = Log(str(tmp_path), BOOT).load(segment, size)
    assert header is None
    assert [told["seq"] for told in lines] == [2, 3]


def test_segments_are_limited_and_the_newest_header_carries_all(tmp_path: Path) -> None:
    log = Log(str(tmp_path), BOOT, largest=1000, total=4000)
    log.load()
    for seq in range(1, 301):
        add(log, seq, text="x" * 80)
    names = segments(str(tmp_path))
    assert sum((tmp_path / name).stat().st_size for name in names) <= 4000 + 1000
    assert all((tmp_path / name).stat().st_size <= 1000 for name in names)
    assert names[0] != f"{BOOT}-0000000001.jsonl"
    header, lines = Log(str(tmp_path), BOOT).load()
    assert header is not None
    assert header["sum"] == sum(range(header["seq"] + 1))
    assert [told["seq"] for told in lines if told["seq"] > header["seq"]] == list(
        range(header["seq"] + 1, 301)
    )


def test_other_boots_go_first_when_there_is_too_much(tmp_path: Path) -> None:
    old = Log(str(tmp_path), OTHER)
    old.load()
    add(old, 1, text="x" * 900)
    log = Log(str(tmp_path), BOOT, largest=1000, total=2500)
    log.load()
    for seq in (1, 2):
        add(log, seq, text="x" * 900)
    assert numbers(tmp_path, OTHER) == []
    assert numbers(tmp_path, BOOT) == [1, 2]


def test_the_newest_segment_stays_however_large_it_is(tmp_path: Path) -> None:
    log = Log(str(tmp_path), BOOT, largest=10, total=10)
    log.load()
    for seq in (1, 2):
        add(log, seq, text="x" * 100)
    assert numbers(tmp_path) == [2]


@pytest.mark.parametrize("cut", [1, 5, 18])
def test_a_torn_line_is_left_out_told_and_nothing_is_glued_to_it(tmp_path: Path, cut: int) -> None:
    log = Log(str(tmp_path), BOOT)
    log.load()
    add(log, 1)
    add(log, 2)
    path = tmp_path / str(log.segment)
    path.write_bytes(path.read_bytes()[:-cut])
    again = Log(str(tmp_path), BOOT)
    _, lines = again.load()
    assert [told["seq"] for told in lines] == [1]
    assert [damage.length for damage in again.damage] == [len(line(2)) - cut]
    add(again, 2, text="again")
    assert (again.damage, numbers(tmp_path)) == ([], [1, 2])
    assert len(segments(str(tmp_path))) == 2
    final = Log(str(tmp_path), BOOT)
    final.load()
    assert final.damage == []


@pytest.mark.parametrize(
    "spoilt", [b"\0" * 40, b"\0" * 40 + b"\n", b"[1]\n", b'{"seq":"2"}\n', b"\xff\n", b"{}\n", b"\n"]
)
def test_what_is_no_line_is_damage(tmp_path: Path, spoilt: bytes) -> None:
    log = Log(str(tmp_path), BOOT)
    log.load()
    add(log, 1)
    with (tmp_path / str(log.segment)).open("ab") as segment:
        segment.write(spoilt)
    again = Log(str(tmp_path), BOOT)
    _, lines = again.load()
    assert [told["seq"] for told in lines] == [1]
    assert sum(damage.length for damage in again.damage) == len(spoilt)
    assert again.damage[0].to_dict() == {
        "segment": log.segment,
        "at": log.size,
        "bytes": again.damage[0].length,
    }


def test_without_a_readable_header_the_segment_before_helps(tmp_path: Path) -> None:
    log = Log(str(tmp_path), BOOT, largest=150)
    log.load()
    for seq in (1, 2, 3):
        add(log, seq, text="x" * 60)
    newest = tmp_path / str(log.segment)
    newest.write_bytes(b"?" + newest.read_bytes())
    header, lines = Log(str(tmp_path), BOOT).load()
    assert header == {"seq": 2, "sum": 3}
    assert [told["seq"] for told in lines] == [2, 3]


def test_a_full_disk_leaves_nothing_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(str(tmp_path), BOOT)
    log.load()
    add(log, 1)
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[: len(data) // 2]))
    with pytest.raises(OSError, match="No space"):
        add(log, 2)
    with pytest.raises(OSError, match="No space"):
        add(Log(str(tmp_path / "new"), BOOT), 1)
    monkeypatch.undo()
    again = Log(str(tmp_path), BOOT)
    again.load()
    assert (numbers(tmp_path), again.damage) == ([1], [])
    add(again, 2)
    assert numbers(tmp_path) == [1, 2]
    assert not any((tmp_path / "new").iterdir())


def test_half_a_line_that_cannot_be_taken_back_is_never_built_upon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(str(tmp_path), BOOT)
    log.load()
    add(log, 1)
    real = os.write

    def refuse(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:5]))
    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(OSError, match="No space"):
        add(log, 2)
    monkeypatch.undo()
    add(log, 2)
    assert numbers(tmp_path) == [1, 2]
    assert len(segments(str(tmp_path))) == 2


def test_old_segments_that_cannot_be_removed_are_told_and_the_line_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(str(tmp_path), BOOT, largest=10, total=10)
    log.load()
    add(log, 1)

    def refuse(path: str) -> None:
        if path.endswith(".jsonl"):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        raise FileNotFoundError(errno.ENOENT, "")

    monkeypatch.setattr(os, "unlink", refuse)
    add(log, 2)
    assert "Operation not permitted" in str(log.trouble)
    assert numbers(tmp_path) == [1, 2]


def test_a_segment_that_somebody_removed_is_begun_anew(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "journal"), BOOT)
    log.load()
    add(log, 1)
    (tmp_path / "journal" / str(log.segment)).unlink()
    (tmp_path / "journal").rmdir()
    add(log, 2)
    assert numbers(tmp_path / "journal") == [2]


def test_names_that_are_no_segments_are_left_alone(tmp_path: Path) -> None:
    for name in (
        "README",
        "x.jsonl",
        "boot-b-1.jsonl",
        "boot-b-00000000ab.jsonl",
        ".boot-b-0000000001.jsonl.new",
    ):
        (tmp_path / name).write_text("?")
    assert segments(str(tmp_path)) == []
    assert segments(str(tmp_path / "nowhere")) == []


def test_a_reader_without_the_lock_takes_whole_lines_behind_a_number(tmp_path: Path) -> None:
    log = Log(str(tmp_path), BOOT, largest=120)
    log.load()
    for seq in (1, 2, 3):
        add(log, seq, text="x" * 40)
    with (tmp_path / str(log.segment)).open("ab") as segment:
        segment.write(b'{"seq":4,"te')
    assert [told["seq"] for told in lines_of(str(tmp_path), BOOT, after=1)] == [2, 3]


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 19))
def test_any_bytes_are_lines_or_damage_and_none_is_lost(data: bytes, cut: int) -> None:
    whole = line(7) + data + line(8)
    whole = whole[: len(whole) - cut]
    lines, damage = parse(whole, "segment")
    assert all(isinstance(told, dict) for told in lines)
    assert lines[0]["seq"] == 7
    pieces = whole.splitlines(keepends=True)
    assert len(lines) + len(damage) == len(pieces)
    assert sum(one.length for one in damage) <= len(whole)
