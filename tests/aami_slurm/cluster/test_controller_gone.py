"""slurmctld is down or frozen while jobs end and GPUs fail: hooks end in time, and the drain is made up for afterwards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.cluster.hooked import Hooked
from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab
NODE = "gpu-001"
HEALTH = 12.0  # seconds: a look, a drain of 3, and what else this machine does; the hook may take 45


@pytest.fixture(scope="module")
def cluster(lab_ledger: Ledger) -> Iterator[Hooked]:
    site = {"prolog": "[ ! -e ${AAMI_ROOT%/*}/now ] || . ${AAMI_ROOT%/*}/now; true"}
    with (
        lab(),
        Hooked(
            lab_ledger, nodes=2, site=site, extra={"SlurmctldTimeout": "600", "SlurmdTimeout": "600"}
        ) as made,
    ):
        yield made


@pytest.fixture
def hooked(cluster: Hooked) -> Iterator[Hooked]:
    (cluster.base / "now").unlink(missing_ok=True)
    yield cluster.fresh()
    cluster.slurm.start_controller()
    assert cluster.logs() == {}


def away(hooked: Hooked, how: str) -> None:
    hooked.slurm.hang_controller() if how == "frozen" else hooked.slurm.stop_controller()


def back(hooked: Hooked, how: str) -> None:
    hooked.slurm.start_controller()


def timed_health(hooked: Hooked) -> None:
    began = time.monotonic()
    hooked.health(NODE)
    assert time.monotonic() - began < HEALTH


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.soak)])
@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_what_could_not_be_drained_then_is_drained_when_it_is_back(
    hooked: Hooked, how: str, seconds: int
) -> None:
    job = hooked.slurm.sbatch(
        f"while [ ! -e {hooked.base}/done ]; do sleep 0.2; done", "--gres=gpu:2", f"--nodelist={NODE}"
    )
    hooked.slurm.wait_job(job, "RUNNING")
    hooked.wait_series(NODE, job)
    away(hooked, how)
    until = time.monotonic() + seconds
    hooked.lose(NODE, 5)
    (hooked.base / "done").touch()
    timed_health(hooked)
    while time.monotonic() < until:
        timed_health(hooked)
        time.sleep(1)
    unknown = hooked.events(NODE, "rail-unknown")
    assert unknown
    assert len(unknown) <= 3  # not one for each look
    assert hooked.events(NODE, "drain") == []
    back(hooked, how)
    hooked.wait_end(NODE, job)  # where slurmctld says that a job is over
    hooked.wait_gone(NODE, job)
    (hooked.base / "done").unlink()
    hooked.health(NODE)
    told = hooked.ours()
    assert {name: (one.code, one.gpu) for name, one in told.items()} == {NODE: ("xid79", 5)}
    assert hooked.events(NODE, "drain")[0]["outcome"] in {"drained", "already-ours"}
    [run] = [run for run in hooked.runs(NODE, "end") if run["job_id"] == job]
    assert run["start"]
    assert len(hooked.events(NODE, "xid")) == 1


@pytest.mark.parametrize("how", ["STOP", pytest.param("TERM", marks=pytest.mark.soak)])
def test_a_prolog_that_can_not_drain_lets_the_job_run_and_health_drains_later(
    hooked: Hooked, how: str
) -> None:
    """slurmctld goes when it has told slurmd to start the job: our prolog finds a bad GPU and nobody to tell."""
    pid_file = hooked.slurm.layout.pid_file
    (hooked.base / "now").write_text(f"[ {NODE} != $SLURMD_NODENAME ] || kill -{how} $(cat {pid_file})\n")
    hooked.lose(NODE, 0)
    job = hooked.slurm.sbatch("echo ran", "--gres=gpu:1", f"--nodelist={NODE}")
    [event] = hooked.until(lambda: hooked.events(NODE, "rail-unknown"), "the prolog to give up")
    assert event["phase"] == "prolog"
    assert event["written"] is not True
    (hooked.base / "now").unlink()
    if how == "TERM":
        hooked.slurm._daemons.pop("slurmctld").wait()
    hooked.slurm.start_controller()
    hooked.slurm.wait_job(job)
    assert hooked.slurm.output(job) == "ran\n"

    def drained() -> bool:
        hooked.health(NODE)
        return NODE in hooked.ours()

    hooked.until(drained, f"{NODE} to be drained")
