"""/dev/kmsg record by record, from a pipe that behaves like it, and the real one where it can be read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aami_hpc.errors import StorageFault, SystemFault
from aami_hpc.io import kmsg

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_there_now_and_no_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "kmsg"
    os.mkfifo(pipe)
    holder = os.open(pipe, os.O_RDWR)  # keeps the pipe open: an empty one is "nothing more now"
    try:
        os.write(holder, b"6,1,1,-;one\n")
        assert list(kmsg.records(pipe)) == [b"6,1,1,-;one\n"]
        assert list(kmsg.records(pipe)) == []
    finally:
        os.close(holder)


def test_a_record_that_was_overwritten_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only the kernel can do that for real, and only when its buffer runs over at the right moment."""
    answers: list[bytes | OSError] = [b"one", BrokenPipeError(), b"two", BlockingIOError()]

    def read(_handle: int, _size: int) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    (tmp_path / "kmsg").touch()
    monkeypatch.setattr(os, "read", read)
    assert list(kmsg.records(tmp_path / "kmsg")) == [b"one", b"two"]


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageFault):
        list(kmsg.records(tmp_path / "none"))


def test_the_real_one() -> None:
    try:
        records = list(kmsg.records())
    except SystemFault as error:
        pytest.skip(str(error))
    assert all(b";" in record for record in records)
