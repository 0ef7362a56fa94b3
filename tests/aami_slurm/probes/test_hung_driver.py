"""Drivers, libraries and programs that really hang, in the kernel, and what the register makes of it; slow ones, too."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aami_slurm import register
from aami_slurm.probe import ANSWERED, LATE, REFUSED, STUCK, Probes
from tests.aami_slurm.probes.hung_fs import hung_file_system
from tests.aami_slurm.probes.support import Driver, children
from tests.lab.faults import frozen_file_system, state, wait_for_state
from tests.lab.nvml.shapes import h100
from tests.lab.require import lab

if TYPE_CHECKING:
    from pathlib import Path

    from aami_slurm.places import Places
    from tests.aami_slurm.probes.conftest import MakeDriver
    from tests.aami_slurm.probes.support import SetClock
    from tests.lab.ledger import Ledger

BUDGET = 1.0


def _look(places: Places, clock: SetClock, driver: Driver) -> dict[str, object]:
    """What health does: ask the driver, and the control when it is silent."""
    answer = driver.probe(places, BUDGET, clock)
    control = None if answer.answered else driver.control(places, BUDGET, clock)
    told = register.look(places, clock, answer, control, None)
    return {"answer": answer.kind, "control": control and control.kind, "verdict": told["verdict"]}


def _gone(pid: int) -> None:
    wait_for_state(pid, "")


@pytest.mark.lab
def test_a_driver_that_hangs_in_the_kernel_is_hung_at_the_second_look(
    places: Places, clock: SetClock, make_driver: MakeDriver, lab_ledger: Ledger
) -> None:
    with lab(), frozen_file_system(lab_ledger) as system:
        driver = make_driver()
        assert _look(places, clock, driver) == {"answer": ANSWERED, "control": None, "verdict": None}
        driver.put(driver.state.change(2, frozen_path=str(system.path / "nvidia2")))
        clock.ahead += 60
        began = time.monotonic()
        assert _look(places, clock, driver) == {
            "answer": STUCK,
            "control": ANSWERED,
            "verdict": "probe-stuck",
        }
        assert time.monotonic() - began < 2 * BUDGET + 1
        living = register.alive(places, register.GPUS)
        assert living is not None
        assert state(living["pid"]) == "D"
        assert register.hang_fact(places, clock)["verdict"] == "probe-stuck"
        clock.ahead += 60
        before = children()
        assert _look(places, clock, driver) == {
            "answer": REFUSED,
            "control": ANSWERED,
            "verdict": "driver-hung",
        }
        assert children() <= before, "another probe was started beside the one that hangs"
        told = register.hang_fact(places, clock)
        assert told["verdict"] == "driver-hung"
        assert told["evidence"]["pid"] == living["pid"]
        system.thaw()
        _reap(living["pid"])
        assert register.hang_fact(places, clock)["verdict"] is None
        assert _look(places, clock, driver) == {"answer": ANSWERED, "control": None, "verdict": None}


def _reap(pid: int) -> None:
    """A hook leaves its children to init when it ends; this process doesn't end."""
    os.waitpid(pid, 0)


@pytest.mark.lab
def test_a_driver_that_never_answered_since_boot_is_not_called_hung(
    places: Places, clock: SetClock, make_driver: MakeDriver, lab_ledger: Ledger
) -> None:
    with lab(), frozen_file_system(lab_ledger) as system:
        driver = make_driver(replace(h100(), frozen_path=str(system.path / "nvidiactl")))
        assert _look(places, clock, driver)["verdict"] is None
        clock.ahead += 600
        assert _look(places, clock, driver) == {
            "answer": REFUSED,
            "control": ANSWERED,
            "verdict": "probe-stuck",
        }
        living = register.alive(places, register.GPUS)
        assert living is not None
        system.thaw()
        _reap(living["pid"])


@pytest.mark.lab
@pytest.mark.parametrize("hangs", ["library", "program"])
def test_a_library_or_program_that_can_not_be_read_is_a_stuck_probe(
    places: Places, clock: SetClock, make_driver: MakeDriver, lab_ledger: Ledger, hangs: str
) -> None:
    """Where nvidia-smi is what is asked, there is no library: so it is on a node that lacks it."""
    driver = make_driver()
    with lab(), hung_file_system(lab_ledger, driver.stub.folder) as system:
        remote = _On(driver, system.path, hangs)
        first = remote.probe(places, 20.0, clock)
        assert first.answered, first
        register.look(places, clock, first, None, None)
        system.hang()
        clock.ahead += 60
        assert _look(places, clock, remote) == {"answer": STUCK, "control": STUCK, "verdict": "probe-stuck"}
        clock.ahead += 120
        assert _look(places, clock, remote) == {
            "answer": REFUSED,
            "control": REFUSED,
            "verdict": "probe-stuck",
        }
        stuck = [register.alive(places, key) for key in (register.GPUS, "control")]
        system.answer()
        for entry in stuck:
            assert entry is not None
            _gone_or_reaped(entry["pid"])
        assert remote.probe(places, 20.0, clock).answered


class _On(Driver):
    """The same driver with its library, or only its program, on another file system."""

    def __init__(self, driver: Driver, path: Path, what: str) -> None:
        self.stub, self.path, self.state = driver.stub, driver.path, driver.state
        name = driver.stub.library.name if what == "library" else "none"
        self.told = {"nvml": str(path / name), "nvidia_smi": str(path / driver.stub.program.name)}
        if what == "library":
            self.told["nvidia_smi"] = str(driver.stub.program)

    @property
    def ask(self) -> dict[str, str]:
        return self.told


def _gone_or_reaped(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # the program that a probe had started
        _reap(pid)
    _gone(pid)


@pytest.mark.lab
def test_an_answer_counts_though_the_probe_then_hangs_on_its_way_out(
    places: Places, clock: SetClock, lab_ledger: Ledger, tmp_path: Path
) -> None:
    """As with a driver that answers and then does not let go of its device file."""
    (tmp_path / "device").write_text("x")

    def work(path: str) -> str:
        os.open(system.path / "device", os.O_RDONLY)
        system.hang()
        return path

    with lab(), hung_file_system(lab_ledger, tmp_path) as system:
        probes = Probes(places, clock)
        answer = probes.run("gpus", work, "here", 20.0)
        assert (answer.kind, answer.value) == (ANSWERED, "here")
        living = register.alive(places, "gpus")
        assert living is not None
        assert probes.run("gpus", work, "here", 20.0).kind == REFUSED
        assert register.look(places, clock, answer, None, None)["verdict"] is None
        system.answer()
        wait_for_state(living["pid"], "Z")
        probes.gather(0.0)
        assert state(living["pid"]) == "", "reaped by the hook that is still there"


@pytest.mark.slow
def test_a_cold_start_of_eight_gpus_and_one_slow_answer_are_neither(
    places: Places, clock: SetClock, make_driver: MakeDriver
) -> None:
    cold = h100()
    for gpu in range(8):
        cold = cold.with_fault("cold-start", gpu=gpu)
    driver = make_driver(cold)
    late = driver.probe(places, 0.5, clock)
    assert late.kind == LATE
    control = driver.control(places, 5.0, clock)
    assert register.look(places, clock, late, control, None)["verdict"] is None
    cold_answer = driver.probe(places, 36.0, clock)
    assert cold_answer.answered
    assert cold_answer.seconds >= 8 * 3
    assert register.look(places, clock, cold_answer, None, None)["verdict"] is None
    driver.put(h100().change(5, slow_call_ms=450))
    clock.ahead += 60
    loaded = driver.probe(places, 36.0, clock)
    assert loaded.answered
    assert loaded.seconds > 10
    assert register.look(places, clock, loaded, None, None)["verdict"] is None
    clock.ahead += 60
    cut_short = driver.probe(places, 0.5, clock)
    control = driver.control(places, 5.0, clock)
    assert (cut_short.kind, control.kind) == (LATE, ANSWERED)
    assert register.look(places, clock, cut_short, control, None)["verdict"] is None


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["hang", "hang-in-calls"])
def test_a_call_that_never_returns_is_ended_and_is_no_hung_driver(
    places: Places, clock: SetClock, make_driver: MakeDriver, fault: str
) -> None:
    driver = make_driver()
    register.note(places, register.GPUS, clock.mono())
    driver.fault(fault, gpu=3)
    verdicts = []
    for _ in range(3):
        told = _look(places, clock, driver)
        assert (told["answer"], told["control"]) == (LATE, ANSWERED)
        verdicts.append(told["verdict"])
        clock.ahead += 60
    assert verdicts == [None, "probe-stuck", "probe-stuck"]
