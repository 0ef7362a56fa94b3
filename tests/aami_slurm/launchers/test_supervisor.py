"""The supervisor: an answer, a crash, silence; each ends in time and as what it was."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aami_slurm import hook
from tests.lab import faults

if TYPE_CHECKING:
    from tests.lab.ledger import Ledger


def test_the_workers_answer_is_the_hooks() -> None:
    assert hook.supervise(lambda: (hook.BLOCK, "xid79 on gpu3"), 5.0) == (78, "xid79 on gpu3")
    assert hook.supervise(lambda: (0, ""), 5.0) == (0, "")


def test_words_become_one_plain_line() -> None:
    status, words = hook.supervise(lambda: (0, "a\nb\x1b[31m" + "c" * 5000), 5.0)
    assert status == 0
    assert words.startswith("a b?[31mccc")
    assert len(words) < hook.LONGEST


def test_a_stop_is_its_status() -> None:
    def work() -> tuple[int, str]:
        raise hook.Stop(hook.CONFIG, "node.json: gone")

    assert hook.supervise(work, 5.0) == (hook.CONFIG, "node.json: gone")


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(78), KeyboardInterrupt(), MemoryError()])
def test_an_exception_is_a_defect_that_says_where(error: BaseException) -> None:
    def work() -> tuple[int, str]:
        raise error

    status, words = hook.supervise(work, 5.0)
    assert status == hook.DEFECT
    assert words.startswith(type(error).__name__)
    assert "test_supervisor.py:" in words


def test_a_worker_that_dies_is_a_defect() -> None:
    def work() -> tuple[int, str]:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0, ""

    assert hook.supervise(work, 5.0) == (hook.DEFECT, "the hook's process ended without an answer")


def test_silence_is_ended() -> None:
    def work() -> tuple[int, str]:
        time.sleep(60)
        return 0, ""

    began = time.monotonic()
    assert hook.supervise(work, 0.3) == (hook.LATE, "no answer within 0.3 s: ended")
    assert time.monotonic() - began < 3


def test_a_worker_without_a_supervisor_ends_by_itself(tmp_path: Path) -> None:
    """slurmd ends the launcher and its process group; the worker is in a session of its own."""
    supervisor = os.fork()
    if supervisor == 0:

        def work() -> tuple[int, str]:
            (tmp_path / "pid").write_text(str(os.getpid()))
            time.sleep(60)
            return 0, ""

        hook.supervise(work, 0.5)
        os._exit(0)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.01)
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)
    worker = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    until = time.monotonic() + 10
    while worker.exists() and worker.read_text().split()[2] != "Z":
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.lab
def test_a_worker_in_the_kernel_can_not_hold_the_hook(lab_ledger: Ledger) -> None:
    """The node's own state on a disk that hangs: the hook ends all the same."""
    with faults.frozen_file_system(lab_ledger) as system:

        def work() -> tuple[int, str]:
            (system.path / "journal").write_text("x")
            return 0, ""

        began = time.monotonic()
        status, words = hook.supervise(work, 0.5)
        assert time.monotonic() - began < 5
    assert status == hook.LATE
    assert "it waits in the kernel" in words
