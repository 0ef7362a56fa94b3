"""A GPU that fails in a real cluster: who is blamed, which node goes out and when, and what runs there afterwards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.cluster.hooked import FALLEN, Hooked
from tests.lab.releases import Release
from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab
NODE, OTHER = "gpu-001", "gpu-002"
HERE = 'echo "on $SLURMD_NODENAME"'
ALL = [Release.BOOKWORM, *(pytest.param(one, marks=pytest.mark.soak) for one in list(Release)[1:])]


@pytest.fixture(scope="module", params=ALL, ids=lambda release: release.value)
def cluster(request: pytest.FixtureRequest, lab_ledger: Ledger) -> Iterator[Hooked]:
    site = {"prolog": "[ ! -e ${AAMI_ROOT%/*}/now ] || . ${AAMI_ROOT%/*}/now; true"}
    with lab(), Hooked(lab_ledger, release=request.param, nodes=2, site=site) as made:
        yield made


@pytest.fixture
def hooked(cluster: Hooked) -> Iterator[Hooked]:
    (cluster.base / "now").unlink(missing_ok=True)
    yield cluster.fresh()
    assert cluster.logs() == {}


def running(hooked: Hooked, *options: str, script: str = "sleep 600") -> int:
    """A job that has started on the first node."""
    job = hooked.slurm.sbatch(script, f"--nodelist={NODE}", *options)
    hooked.slurm.wait_job(job, "RUNNING")
    hooked.wait_series(NODE, job)
    return job


@pytest.mark.parametrize("looks", ["the epilog", "health"])
def test_an_xid_79_beside_a_job_is_not_its_own_and_drains_the_node_after_it(
    hooked: Hooked, looks: str
) -> None:
    job = running(
        hooked, "--gres=gpu:2", script=f"while [ ! -e {hooked.base}/done ]; do sleep 0.2; done; {HERE}"
    )
    hooked.lose(NODE, 5)
    if looks == "health":
        hooked.health(NODE)
        assert hooked.slurm.node_states()[NODE] == "DRAINING"
        assert hooked.slurm.job_state(job) == "RUNNING"
    (hooked.base / "done").touch()
    hooked.slurm.wait_job(job)
    hooked.slurm.wait_nodes("DRAINED", nodes=[NODE])
    (hooked.base / "done").unlink()
    assert hooked.slurm.output(job) == f"on {NODE}\n"
    [event] = hooked.events(NODE, "xid")
    assert (event["code"], event["gpu"], event["jobs"]) == (79, 5, [])
    ours = hooked.ours()
    assert {name: (told.code, told.gpu) for name, told in ours.items()} == {NODE: ("xid79", 5)}
    later = [hooked.slurm.sbatch(HERE, "--gres=gpu:1") for _ in range(3)]
    for one in later:
        hooked.slurm.wait_job(one)
        assert hooked.slurm.output(one) == f"on {OTHER}\n"
    assert [run["job_id"] for run in hooked.runs(NODE, "start")] == [job]
    [drain] = hooked.events(NODE, "drain")
    assert (drain["outcome"], drain["written"], drain["phase"]) == (
        "drained",
        True,
        looks.rsplit(maxsplit=1)[-1],
    )


def test_a_fresh_install_drains_nothing_and_says_what_it_would_have_done(hooked: Hooked) -> None:
    hooked.fresh(policy={})
    job = running(hooked, "--gres=gpu:2")
    hooked.lose(NODE, 5)
    hooked.lose(NODE, 0)
    hooked.health()
    hooked.slurm.ask("scancel", str(job))
    hooked.wait_gone(NODE, job)
    hooked.slurm.wait_nodes()
    later = hooked.slurm.sbatch(HERE, "--gres=gpu:1", f"--nodelist={NODE}")  # on the GPU that is gone
    hooked.slurm.wait_job(later)
    decisions = hooked.events(NODE, "decision")
    assert {event["verdict"] for event in decisions} == {"allow-and-record"}
    assert {event["mode"] for event in decisions} == {"shadow"}
    assert {(event["phase"], event["would"]) for event in decisions} >= {
        ("health", "drain-after-job"),
        ("prolog", "block-and-drain"),
    }
    assert hooked.reasons() == {}
    assert hooked.events(NODE, "drain") == []


@pytest.mark.parametrize("shows", ["kernel", "pci", "all"])
def test_a_gpu_lost_on_an_idle_node_a_second_before_meets_no_next_job(hooked: Hooked, shows: str) -> None:
    """Health has looked less than a minute ago and found it well: the prolog sees it by itself."""
    hooked.lose(NODE, 0, line=shows != "pci", bus=shows != "kernel", driver=shows == "all")
    time.sleep(1)
    job = hooked.slurm.sbatch(HERE, "--gres=gpu:1", "--requeue")
    hooked.until(lambda: NODE in hooked.ours(), f"{NODE} to be drained by us")
    told = hooked.ours()[NODE]
    assert (told.code, told.gpu) == ("xid79" if shows != "pci" else "pci-gone", 0)
    hooked.until(lambda: "held" in hooked.slurm.scontrol("show", "job", str(job)), "the job to be held")
    hooked.slurm.wait_nodes("DRAINED", nodes=[NODE])
    assert not (hooked.slurm.layout.jobs / f"{job}.out").exists()
    again = [hooked.slurm.sbatch(HERE, "--gres=gpu:1")]
    if shows == "all":  # Slurm lets it wait
        hooked.slurm.scontrol("release", str(job))
        again.append(job)
    for one in again:
        hooked.slurm.wait_job(one)
        assert hooked.slurm.output(one) == f"on {OTHER}\n"
    assert {(run["job_id"], run["restart"]) for run in hooked.runs(NODE, "start")} == {(job, 0)}
    assert {(run["job_id"], run["restart"]) for run in hooked.runs(NODE, "end")} == {(job, 0)}


def test_a_lost_gpu_keeps_nobody_off_the_others(hooked: Hooked) -> None:
    """The job has GPUs 0 and 1, and 5 is gone: the node drains, and this job runs to its end."""
    hooked.lose(NODE, 5)
    job = hooked.slurm.sbatch(f"sleep 1; {HERE}", "--gres=gpu:2", f"--nodelist={NODE}")
    hooked.slurm.wait_job(job)
    hooked.slurm.wait_nodes("DRAINED", nodes=[NODE])
    assert hooked.slurm.output(job) == f"on {NODE}\n"
    assert hooked.ours()[NODE].gpu == 5


def admin(hooked: Hooked, state: str = "drain", why: str = "admin: mine") -> tuple[str, str]:
    hooked.slurm.scontrol("update", f"nodename={NODE}", f"state={state}", *([f"reason={why}"] if why else []))
    return shown(hooked)


def shown(hooked: Hooked) -> tuple[str, str]:
    """Who set the reason when, and the words."""
    told = hooked.slurm.ask(
        "sinfo", "--noheader", f"--nodes={NODE}", "--Format=Timestamp:30,Reason:250"
    ).split()
    return told[0], " ".join(told[1:])


def test_an_administrators_drain_survives_everything(hooked: Hooked) -> None:
    job = running(hooked, "--gres=gpu:2")
    before = admin(hooked)
    hooked.lose(NODE, 0)
    hooked.health(NODE)
    hooked.slurm.ask("scancel", str(job))
    hooked.slurm.wait_nodes("DRAINED", nodes=[NODE])
    hooked.wait_gone(NODE, job)
    hooked.health(NODE)
    hooked.lose(NODE, 1)
    hooked.health(NODE)
    hooked.heal(NODE)
    hooked.health(NODE)
    assert shown(hooked) == before
    assert {event["outcome"] for event in hooked.events(NODE, "drain")} == {"already-out"}
    assert not any(event["written"] for event in hooked.events(NODE, "drain"))


def test_an_administrators_drain_between_our_prologs_steps_stays_and_the_job_runs(hooked: Hooked) -> None:
    """It comes when Slurm has started the job already, in the moment before our prolog looks."""
    conf, scontrol = hooked.slurm.conf, "/usr/bin/scontrol"
    (hooked.base / "now").write_text(
        f"SLURM_CONF={conf} {scontrol} update nodename={NODE} state=drain reason='admin: mine'\n"
    )
    hooked.lose(NODE, 0)
    job = hooked.slurm.sbatch(HERE, "--gres=gpu:1", f"--nodelist={NODE}")
    hooked.slurm.wait_job(job)
    hooked.slurm.wait_nodes("DRAINED", nodes=[NODE])
    assert shown(hooked)[1] == "admin: mine"
    assert hooked.slurm.output(job) == f"on {NODE}\n"


def test_an_administrator_who_writes_over_our_drain_keeps_the_word(hooked: Hooked) -> None:
    hooked.lose(NODE, 0)
    hooked.health(NODE)
    assert hooked.ours()[NODE].code == "xid79"
    before = admin(hooked)
    hooked.health(NODE)
    hooked.lose(NODE, 3)
    hooked.health(NODE)
    assert shown(hooked) == before


def test_old_lines_do_not_drain_a_node_that_was_mended_and_brought_back(hooked: Hooked) -> None:
    hooked.lose(NODE, 0)
    hooked.health(NODE)
    assert NODE in hooked.ours()
    hooked.heal(NODE)
    admin(hooked, "resume", "")
    hooked.slurm.wait_nodes()
    hooked.health(NODE)
    for _ in range(2):
        hooked.slurm.wait_job(hooked.slurm.sbatch(HERE, "--gres=gpu:1", f"--nodelist={NODE}"))
    hooked.health(NODE)
    assert hooked.slurm.node_states()[NODE] == "IDLE"
    assert len(hooked.events(NODE, "drain")) == 1


def test_each_drain_is_journalled_also_the_second_for_the_same_fault(hooked: Hooked) -> None:
    """An administrator brings the node back as it was, and the next look takes it out again."""
    hooked.lose(NODE, 0, line=False)
    for turn in (1, 2, 3):
        hooked.health(NODE)
        assert NODE in hooked.ours()
        assert [event["outcome"] for event in hooked.events(NODE, "drain")] == ["drained"] * turn
        admin(hooked, "undrain", "")
        hooked.slurm.wait_nodes()


def test_maintenance_stops_drains_and_only_as_long_as_it_lasts(hooked: Hooked) -> None:
    hooked.slurm.scontrol(
        "create", "reservation", "reservationname=service", "starttime=now", "duration=60", "user=root",
        "flags=maint", f"nodes={NODE}",
    )  # fmt: skip
    try:
        hooked.until(lambda: "maint" in hooked.slurm.shown_states()[NODE], "the node to be in maintenance")
        hooked.lose(NODE, 0)
        hooked.health(NODE)
        [event] = hooked.events(NODE, "drain")
        assert (event["outcome"], event["written"]) == ("hands-off", False)
        job = hooked.slurm.sbatch(HERE, "--gres=gpu:1", f"--nodelist={NODE}", "--reservation=service")
        hooked.slurm.wait_job(job)
        assert hooked.reasons() == {}
    finally:
        hooked.slurm.scontrol("delete", "reservationname=service")
    hooked.until(lambda: hooked.slurm.shown_states()[NODE] == "idle", "the maintenance to be over")
    hooked.health(NODE)
    assert hooked.ours()[NODE].code == "xid79"


def test_a_prolog_without_time_for_a_drain_writes_none_and_says_so(hooked: Hooked) -> None:
    """Slurm is slow: the job runs, it is recorded, and health makes up for it."""
    slow = {}
    for program in ("sinfo", "scontrol"):
        path = hooked.base / program
        path.write_text(f'#!/bin/sh\nsleep 0.9\nexec /usr/bin/{program} "$@"\n')
        path.chmod(0o755)
        slow[program] = str(path)
    hooked.settings(NODE, slurm={**slow, "conf": str(hooked.slurm.conf)})
    hooked[NODE].says(0, 79, FALLEN)
    hooked[NODE].fault("hang", gpu=0)
    job = hooked.slurm.sbatch(HERE, "--gres=gpu:1", f"--nodelist={NODE}")
    hooked.slurm.wait_job(job)
    events = [event for event in hooked.events(NODE, "rail-unknown") if event["phase"] == "prolog"]
    assert [event["written"] for event in events] == [False], hooked.events(NODE, "rail-unknown")
    hooked.settings(NODE)
    hooked[NODE].fault("lost", gpu=0)
    hooked.wait_end(NODE, job)
    hooked.until(lambda: hooked.slurm.node_states()[NODE] in {"IDLE", "DRAINED"}, "the epilog to end")
    hooked.heal(NODE)
    hooked.health(NODE)
    assert hooked.ours()[NODE].code == "xid79"
