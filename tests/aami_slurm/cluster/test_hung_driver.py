"""A driver, a library and a mount that hang under a real cluster: no hook waits for them, and only a hung driver drains."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.cluster.hooked import Hooked
from tests.aami_slurm.probes.hung_fs import hung_file_system
from tests.lab.faults import frozen_file_system
from tests.lab.nvml.shapes import h100
from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.faults import FrozenFileSystem
    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab
NODE, OTHER = "gpu-001", "gpu-002"
SLACK = 1.5
HARD = {"prolog": 4.0, "epilog": 8.0, "health": 45.0}


@pytest.fixture(scope="module")
def frozen(lab_ledger: Ledger) -> Iterator[FrozenFileSystem]:
    with lab(), frozen_file_system(lab_ledger, frozen=False) as system:
        yield system


@pytest.fixture(scope="module")
def cluster(lab_ledger: Ledger, frozen: FrozenFileSystem) -> Iterator[Hooked]:
    with lab(), Hooked(lab_ledger, nodes=2) as made:
        yield made


@pytest.fixture
def hooked(cluster: Hooked, frozen: FrozenFileSystem) -> Iterator[Hooked]:
    yield cluster.fresh()
    frozen.thaw()


def hang(hooked: Hooked, frozen: FrozenFileSystem, name: str = NODE, gpu: int = 2) -> None:
    """From now on whoever asks this node's driver about this GPU sleeps in the kernel."""
    frozen.freeze()
    hooked[name].put(hooked[name].state.change(gpu, frozen_path=str(frozen.path / "nvidia")))


def forget_the_look(hooked: Hooked, name: str = NODE) -> None:
    """Health has not looked for more than a minute."""
    (hooked[name].node.root / "run/aami-hpc/known.json").unlink()


def look(hooked: Hooked) -> float:
    began = time.monotonic()
    hooked.health(NODE)
    seconds = time.monotonic() - began
    assert seconds < HARD["health"] + SLACK
    return seconds


def job_runs(hooked: Hooked, seconds: float) -> int:
    """A job on the hung GPU comes through in this time."""
    began = time.monotonic()
    job = hooked.slurm.sbatch("echo ran", "--gres=gpu:8", f"--nodelist={NODE}")
    hooked.slurm.wait_job(job)
    assert time.monotonic() - began < seconds
    assert hooked.slurm.output(job) == "ran\n"
    return job


def test_prolog_and_epilog_do_not_wait_for_a_driver_that_hangs(
    hooked: Hooked, frozen: FrozenFileSystem
) -> None:
    hang(hooked, frozen)
    forget_the_look(hooked)
    job = job_runs(hooked, HARD["prolog"] + SLACK + 1)  # and Slurm's own steps
    began = time.monotonic()
    hooked.wait_end(NODE, job)
    hooked.slurm.wait_nodes()
    assert time.monotonic() - began < HARD["epilog"] + SLACK
    job_runs(hooked, HARD["prolog"] + SLACK + 1)  # nobody asks again while that probe is there
    assert hooked.reasons() == {}
    assert hooked.logs() == {}
    told = [event for event in hooked.events(NODE, "check") if event["check"] == "driver-answers"]
    assert {event["outcome"] for event in told} <= {"error", "warn"}
    [run] = [run for run in hooked.runs(NODE, "start") if run["job_id"] == job]
    assert len(run["gpus"]) == 8


@pytest.mark.soak
def test_a_hung_driver_drains_at_the_second_look_and_not_before(
    hooked: Hooked, frozen: FrozenFileSystem
) -> None:
    hang(hooked, frozen)
    began = time.monotonic()
    look(hooked)
    assert hooked.reasons() == {}
    job_runs(hooked, HARD["prolog"] + SLACK + 1)
    hooked.slurm.wait_nodes()
    look(hooked)  # too early
    if time.monotonic() - began < 55:
        assert hooked.reasons() == {}
    time.sleep(max(0.0, began + 62 - time.monotonic()))
    assert look(hooked) < 10  # nobody is asked any more: only the control probe
    told = hooked.ours()
    assert set(told) == {NODE}
    assert told[NODE].code == "driver-hung"
    hooked.slurm.wait_nodes("DRAINED", nodes=[NODE])
    frozen.thaw()
    hooked.heal(NODE)
    hooked.slurm.scontrol("update", f"nodename={NODE}", "state=undrain")
    hooked.slurm.wait_nodes()
    look(hooked)
    job_runs(hooked, 10)
    assert hooked.slurm.node_states()[NODE] == "IDLE"
    assert hooked.logs() == {}


@pytest.mark.soak
def test_a_library_that_hangs_is_a_stuck_probe_and_drains_nothing(
    hooked: Hooked, lab_ledger: Ledger, frozen: FrozenFileSystem
) -> None:
    stub = hooked[NODE].stub
    with lab(), hung_file_system(lab_ledger, stub.folder) as system, contextlib.ExitStack() as stack:
        stack.callback(hooked.settings, NODE)
        paths = {"nvml": str(system.path / stub.library.name), "nvidia_smi": str(stub.program)}
        hooked.settings(NODE, paths=paths)
        look(hooked)
        system.hang()
        began = time.monotonic()
        look(hooked)
        job = job_runs(hooked, HARD["prolog"] + SLACK + 1)
        hooked.wait_end(NODE, job)
        time.sleep(max(0.0, began + 62 - time.monotonic()))
        look(hooked)
        assert hooked.reasons() == {}
        told = [event for event in hooked.events(NODE, "check") if event["check"] == "driver-answers"]
        assert told
        assert {event["outcome"] for event in told} == {"error"}
        system.answer()
    assert hooked.logs() == {}


@pytest.mark.soak
def test_a_cold_start_and_one_slow_answer_are_neither(hooked: Hooked) -> None:
    cold = h100()
    for gpu in range(8):
        cold = cold.with_fault("cold-start", gpu=gpu)
    hooked[NODE].put(cold)
    look(hooked)
    job_runs(hooked, HARD["prolog"] + SLACK + 1)
    hooked[NODE].put(h100().change(5, slow_call_ms=450))
    look(hooked)
    job_runs(hooked, HARD["prolog"] + SLACK + 1)
    assert hooked.reasons() == {}
    assert not [event for event in hooked.events(NODE, "check") if event["outcome"] == "fail"]


def test_a_mount_that_hangs_holds_up_no_hook(hooked: Hooked, lab_ledger: Ledger) -> None:
    """The site wants it looked at: health does, in a child of its own; jobs come and go."""
    stub = hooked[NODE].stub
    with lab(), hung_file_system(lab_ledger, stub.folder) as system:
        root = hooked[NODE].node.root
        (root / "net").symlink_to(system.path)
        try:
            shadow = [{"check": "mount-hang", "mode": "shadow"}, {"check": "mount-missing", "mode": "shadow"}]
            mounts = [{"nodes": NODE, "path": "/net"}]
            hooked.settings(NODE, mounts=mounts, policy={**hooked.policy, "rules": shadow})
            system.hang()
            assert look(hooked) < 15
            job = job_runs(hooked, HARD["prolog"] + SLACK + 1)
            hooked.wait_end(NODE, job)
            assert look(hooked) < 15
            told = [event for event in hooked.events(NODE, "check") if event["check"].startswith("mount")]
            assert told
            system.answer()
        finally:
            (root / "net").unlink()
            hooked.settings(NODE)
