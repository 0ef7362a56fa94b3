"""A program's output as a stream: read whole, left early, fed, failing, missing."""

from __future__ import annotations

import io

import pytest

from aami_hpc.errors import CommandFailed
from aami_hpc.io.stream import output_of


def test_the_whole_output() -> None:
    with output_of(["sh", "-c", "printf 'a\\nb\\n'"]) as stream:
        assert stream.read() == b"a\nb\n"


def test_more_than_a_pipe_holds_goes_through() -> None:
    given = b"0123456789abcdef" * 65536
    with output_of(["cat"], feed=io.BytesIO(given)) as stream:
        assert stream.read() == given


def test_a_reader_that_leaves_early_ends_the_program() -> None:
    with output_of(["sh", "-c", "while :; do echo x; done"]) as stream:
        assert stream.readline() == b"x\n"


def test_a_program_that_fails_says_why() -> None:
    with (
        pytest.raises(CommandFailed) as met,
        output_of(["sh", "-c", "echo out; echo broken >&2; exit 3"]) as stream,
    ):
        stream.read()
    assert ("status 3" in met.value.message, met.value.cause) == (True, "broken")


def test_a_program_that_says_much_on_its_other_pipe_does_not_hang() -> None:
    with output_of(["sh", "-c", "head -c 1000000 /dev/zero >&2; echo done"]) as stream:
        assert stream.read() == b"done\n"


def test_a_missing_program() -> None:
    with pytest.raises(CommandFailed, match="can't be run"), output_of(["/nonexistent/program"]):
        pass


def test_an_error_in_the_block_is_not_hidden() -> None:
    with pytest.raises(KeyError), output_of(["sh", "-c", "exit 3"]):
        raise KeyError
