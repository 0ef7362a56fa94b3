"""Running a program that sleeps in the kernel: SIGKILL does not end it, and we return all the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from aami_hpc.io import run
from aami_hpc.io.run import SystemRunner
from tests.lab import faults

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab

TIMEOUT = 1.0
SLACK = 8.0  # for a busy machine


def writer(folder: Path) -> list[str]:
    """A program that says its pid and then writes to the frozen file system."""
    return ["sh", "-c", 'echo $$; exec dd if=/dev/zero of="$1" bs=1 count=1', "sh", str(folder / "stuck")]


def test_a_program_that_can_not_be_killed_is_left_behind(lab_ledger: Ledger) -> None:
    with faults.frozen_file_system(lab_ledger) as system:
        began = time.monotonic()
        done = SystemRunner().run(writer(system.path), timeout=TIMEOUT)
        took = time.monotonic() - began
        assert done.timed_out
        assert done.status is None
        assert done.why == "sh did not answer in time"
        assert TIMEOUT <= took < TIMEOUT + SLACK
        pid = int(done.stdout)
        assert faults.state(pid) == "D", "it was given up, not ended"
        assert [process.pid for process in run._left_behind] == [pid]

        system.thaw()
        faults.wait_for_state(pid, "Z")
        assert SystemRunner().run(["true"], timeout=SLACK).ok
        assert faults.state(pid) == "", "the next run released its pid"
        assert not run._left_behind


def test_other_programs_run_while_one_hangs(lab_ledger: Ledger) -> None:
    with faults.frozen_file_system(lab_ledger) as system:
        SystemRunner().run(writer(system.path), timeout=TIMEOUT)
        assert SystemRunner().run(["echo", "still here"], timeout=SLACK).stdout == "still here\n"
        system.thaw()
        faults.wait_for_state(run._left_behind[0].pid, "Z")
        assert SystemRunner().run(["true"], timeout=SLACK).ok


def test_a_child_that_can_not_be_killed_does_not_hold_us_with_its_pipe(lab_ledger: Ledger) -> None:
    with faults.frozen_file_system(lab_ledger) as system:
        script = 'dd if=/dev/zero of="$1" bs=1 count=1 & echo $!; exit 7'
        began = time.monotonic()
        done = SystemRunner().run(["sh", "-c", script, "sh", str(system.path / "stuck")], timeout=TIMEOUT)
        assert time.monotonic() - began < TIMEOUT + SLACK
        assert done.status == 7
        assert faults.state(int(done.stdout)) == "D"
        system.thaw()
        faults.wait_for_state(int(done.stdout), "")
