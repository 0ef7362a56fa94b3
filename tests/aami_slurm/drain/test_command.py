"""One command of Slurm: what it says, how it ends, and that nothing it does holds us up."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aami_slurm import command
from tests.lab import faults
from tests.lab.processes import Identity
from tests.lab.waiting import until

if TYPE_CHECKING:
    from tests.lab.ledger import Ledger

# Newer interpreters warn of every fork beside a thread; pytest-timeout has one.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def _run(*argv: str, seconds: float = 10, limit: int = 1 << 20) -> tuple[int, bytes, bytes]:
    return command.run(list(argv), {"PATH": "/usr/bin:/bin"}, time.monotonic() + seconds, limit)


def test_status_output_and_errors_come_apart() -> None:
    assert _run("/bin/sh", "-c", "echo out; echo err >&2; exit 3") == (3, b"out\n", b"err\n")


def test_a_signal_is_a_negative_status() -> None:
    assert _run("/bin/sh", "-c", "kill -9 $$")[0] == -9


def test_words_are_never_read_by_a_shell() -> None:
    assert _run("/usr/bin/printf", "%s|", "a b", "$(id)", "*", "")[1] == b"a b|$(id)|*||"


def test_the_environment_is_what_was_given() -> None:
    assert _run("/usr/bin/env")[1] == b"PATH=/usr/bin:/bin\n"


def test_it_reads_nothing_and_stands_at_the_root() -> None:
    assert _run("/bin/sh", "-c", "cat; pwd")[1] == b"/\n"


def test_no_descriptor_of_ours_is_handed_on(tmp_path: Path) -> None:
    with (tmp_path / "ours").open("w"):
        assert str(tmp_path).encode() not in _run("/bin/ls", "-l", "/proc/self/fd")[1]


def test_a_program_that_is_not_there_is_127_with_its_name() -> None:
    status, out, err = _run("/nonexistent/sinfo")
    assert (status, out) == (127, b"")
    assert err == b"/nonexistent/sinfo: No such file or directory"


def test_a_file_that_can_not_be_run_is_127(tmp_path: Path) -> None:
    path = tmp_path / "sinfo"
    path.write_text("no program")
    assert _run(str(path))[0] == 127


def test_late_is_said_in_time_and_the_whole_family_is_gone(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(command.Late):
        _run("/bin/sh", "-c", f"sleep 60 & echo $! > {told}; wait", seconds=0.4)
    assert time.monotonic() - began < 1.5
    until(
        lambda: Identity.of(int(told.read_text())) is None,
        "the grandchild to be gone",
        timeout=5,
        evidence=told.read_text,
    )


def test_a_program_that_ended_while_its_child_talks_on_is_late() -> None:
    with pytest.raises(command.Late):
        _run("/bin/sh", "-c", "sleep 60 & exit 0", seconds=0.3)


def test_a_program_that_closed_its_output_and_stays_is_late() -> None:
    with pytest.raises(command.Late):
        _run("/bin/sh", "-c", "exec sleep 60 >&- 2>&-", seconds=0.3)


def test_when_no_time_is_left_nothing_is_begun(tmp_path: Path) -> None:
    with pytest.raises(command.Late):
        _run("/usr/bin/touch", str(tmp_path / "begun"), seconds=-1)
    assert not list(tmp_path.iterdir())


def test_too_much_is_no_answer() -> None:
    began = time.monotonic()
    with pytest.raises(command.NoAnswer, match="more than 4096 bytes"):
        _run("/usr/bin/yes", limit=4096)
    assert time.monotonic() - began < 5


def test_an_answer_larger_than_a_pipe_is_whole() -> None:
    status, out, _ = _run(sys.executable, "-ISc", "print('x' * 1000000)")
    assert (status, len(out)) == (0, 1000001)


def test_a_status_that_nobody_keeps_is_no_answer() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(command.NoAnswer, match="SIGCHLD"):
            _run("/bin/true")
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_nothing_is_left_open() -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    for _ in range(3):
        _run("/bin/true")
        with pytest.raises(command.Late):
            _run("/bin/sleep", "9", seconds=0.05)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


@pytest.mark.lab
def test_a_program_that_sits_in_the_kernel_is_left_behind_in_time(lab_ledger: Ledger) -> None:
    with faults.frozen_file_system(lab_ledger) as system:
        began = time.monotonic()
        with pytest.raises(command.Late):
            _run("/usr/bin/dd", "if=/dev/zero", f"of={system.path / 'x'}", "count=1", seconds=0.5)
        assert time.monotonic() - began < 1.5
