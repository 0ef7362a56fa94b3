"""Jobs of a real Slurm through our hooks: each run in the ledger once, with its own GPUs, whatever kind of job it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.cluster.hooked import Hooked
from tests.lab.releases import Release
from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab
NODE, OTHER = "gpu-001", "gpu-002"
SLOW = "slow"  # while this file is there, the site's own prolog takes its time
TASKS = 50
TOLD = "echo gpus=$SLURM_JOB_GPUS; "


@pytest.fixture(scope="module", params=list(Release), ids=lambda release: release.value)
def cluster(request: pytest.FixtureRequest, lab_ledger: Ledger) -> Iterator[Hooked]:
    site = {"prolog": "[ ! -e ${AAMI_ROOT%/*}/slow ] || sleep 2"}
    with lab(), Hooked(lab_ledger, release=request.param, nodes=2, site=site) as made:
        yield made


@pytest.fixture
def hooked(cluster: Hooked) -> Iterator[Hooked]:
    yield cluster.fresh()
    (cluster.base / SLOW).unlink(missing_ok=True)
    assert cluster.logs() == {}


def indexes(run: dict[str, object]) -> list[int]:
    """Slurm's numbers of the GPUs in a ledger entry."""
    gpus = run["gpus"]
    assert isinstance(gpus, list)
    return [gpu["slurm_index"] for gpu in gpus]


def whole(hooked: Hooked, name: str, *jobs: int) -> list[dict[str, object]]:
    """The starts of these jobs on a node: each is there once, and its end, too, which knows when it began."""
    starts = [run for run in hooked.runs(name, "start") if run["job_id"] in jobs]
    ends = [run for run in hooked.runs(name, "end") if run["job_id"] in jobs]
    names = sorted((run["job_id"], run["restart"]) for run in starts)
    assert sorted((run["job_id"], run["restart"]) for run in ends) == names
    assert len(set(names)) == len(names)
    assert all(run["start"] for run in ends)
    return starts


def test_an_xid_belongs_to_the_job_that_holds_the_gpu_and_to_no_other(hooked: Hooked) -> None:
    jobs = []
    for _ in range(3):  # two GPUs each: 0,1 and 2,3 and 4,5
        jobs.append(hooked.slurm.sbatch("sleep 600", "--gres=gpu:2", f"--nodelist={NODE}"))
        hooked.started(NODE, jobs[-1])
    assert indexes(hooked.started(NODE, jobs[1])) == [2, 3]
    page = hooked.wait_series(NODE, *jobs)
    series = [line for line in page.splitlines() if f'job_id="{jobs[1]}"' in line]
    assert [line.split('"')[1] for line in series] == ["2", "3"]
    hooked[NODE].says(3, 31, "pid=4242, name=python, Ch 00000008, intr 10000000. MMU Fault")
    hooked.health(NODE)
    [event] = hooked.events(NODE, "xid")
    assert (event["code"], event["gpu"], event["gpu_uuid"]) == (31, 3, hooked[NODE].uuid(3))
    assert [(job["job_id"], job["confidence"]) for job in event["jobs"]] == [(jobs[1], "gpu")]
    page = hooked[NODE].node.metrics()
    assert f'aami_gpu_xid_events_total{{gpu="3",gpu_uuid="{hooked[NODE].uuid(3)}",xid="31"}} 1' in page
    hooked.slurm.ask("scancel", str(jobs[1]))
    hooked.wait_gone(NODE, jobs[1])
    hooked.wait_series(NODE, jobs[0], jobs[2])
    assert hooked.reasons() == {}


def test_a_requeued_job_is_two_runs_and_each_has_its_own_end(hooked: Hooked) -> None:
    """Its first epilog is told the restart count of the second run, which may begin before that epilog does."""
    job = hooked.slurm.sbatch("sleep 600", "--gres=gpu:1", f"--nodelist={NODE}", "--requeue")
    assert hooked.started(NODE, job)["restart"] == 0
    hooked.slurm.wait_job(job, "RUNNING")
    hooked.slurm.scontrol("requeue", str(job))
    first = hooked.wait_end(NODE, job)
    assert (first["restart"], bool(first["start"])) == (0, True)
    hooked.until(lambda: hooked.started(NODE, job)["restart"] == 1, "the second run")
    hooked.slurm.wait_job(job, "RUNNING")
    hooked.slurm.ask("scancel", str(job))
    hooked.until(lambda: len(hooked.runs(NODE, "end")) == 2, "the second end")
    assert [run["restart"] for run in whole(hooked, NODE, job)] == [0, 1]


def test_a_job_that_is_cancelled_during_its_prolog_begins_and_ends(hooked: Hooked) -> None:
    (hooked.base / SLOW).touch()
    job = hooked.slurm.sbatch("echo ran", "--gres=gpu:1", f"--nodelist={NODE}")
    hooked.slurm.wait_job(job, "RUNNING", "CONFIGURING")
    time.sleep(0.5)
    assert hooked.runs(NODE, "start") == []
    hooked.slurm.ask("scancel", str(job))
    hooked.wait_end(NODE, job)
    hooked.slurm.wait_nodes()
    [run] = whole(hooked, NODE, job)
    assert len(indexes(run)) == 1
    hooked.wait_gone(NODE, job)
    assert hooked.reasons() == {}


def test_kinds_of_jobs(hooked: Hooked) -> None:
    """Het jobs, steps in an allocation, no GPUs at all, a whole node, one that fails: each is told as Slurm tells it."""
    sbatch = hooked.slurm.sbatch
    none = sbatch("true", f"--nodelist={NODE}")
    steps = sbatch(TOLD + "srun --gres=gpu:1 true; srun true; exit 3", "--gres=gpu:3", f"--nodelist={NODE}")
    hooked.slurm.wait_job(steps, "FAILED")
    exclusive = sbatch(TOLD, "--exclusive", "--gres=gpu:2", f"--nodelist={NODE}")
    hooked.slurm.wait_job(exclusive)
    leader = sbatch(TOLD, "--gres=gpu:1", f"--nodelist={NODE}", ":", "--gres=gpu:2", f"--nodelist={OTHER}")
    hooked.slurm.wait_job(leader)
    hooked.slurm.wait_nodes()
    for job in (none, steps, exclusive, leader):
        hooked.wait_end(NODE, job)
        [run] = whole(hooked, NODE, job)
        told = "" if job == none else hooked.slurm.output(job).partition("gpus=")[2].split("\n")[0]
        assert ",".join(map(str, indexes(run))) == told
        assert run["unresolved"] is None
    follower = hooked.runs(OTHER, "start")[-1]
    assert (follower["job_id"], follower["het_job_id"]) in {(leader + 1, leader), (leader + 1, None)}
    assert len(indexes(follower)) == 2
    hooked.wait_end(OTHER, leader + 1)
    exits = {run["job_id"]: run["exit"] for run in hooked.runs(NODE, "end")}
    assert (exits[steps]["code"], exits[steps]["known"], exits[none]["known"]) == (3, True, False)
    assert hooked.reasons() == {}


def test_an_array_of_50_short_jobs(hooked: Hooked) -> None:
    """Prologs and epilogs side by side on two nodes: every run once, and nothing left of it at the end."""
    hooked.slurm.sbatch("true", f"--array=1-{TASKS}", "--gres=gpu:1")

    def ended() -> bool:
        return sum(len(hooked.runs(name, "end")) for name in (NODE, OTHER)) == TASKS

    hooked.until(ended, f"{TASKS} jobs to end", timeout=10 + 3 * TASKS)
    hooked.slurm.wait_nodes()
    jobs = {run["job_id"] for name in (NODE, OTHER) for run in hooked.runs(name, "start")}
    assert len(jobs) == TASKS
    starts = [run for name in (NODE, OTHER) for run in whole(hooked, name, *jobs)]
    assert all(len(indexes(run)) == 1 for run in starts)
    for name in (NODE, OTHER):
        assert "aami_gpu_job_info{" not in hooked[name].node.metrics()
    assert hooked.reasons() == {}
