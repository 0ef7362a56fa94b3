"""Drains on a real Slurm of each release: read, written, read back; and everything of other people's stays as it was."""

from __future__ import annotations

import calendar
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from aami_slurm import command, rails, slurm_nodes
from tests.aami_slurm.drain import scene
from tests.aami_slurm.drain.scripted import OURS, answer, ask_of, call, start
from tests.lab.releases import Release

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.fixtures import MakeSlurm
    from tests.lab.slurm import SlurmCluster

pytestmark = pytest.mark.lab

NODE = "gpu-002"
SLACK = 1.0  # beyond the three seconds: starting and ending a process on a busy machine


def _seconds(cluster: SlurmCluster, name: str) -> int:
    """Since when a reason stands, as scontrol tells it in UTC."""
    argv = [str(cluster.bin_dir / "scontrol"), "show", "node", "-o", name]
    environ = slurm_nodes.environment(str(cluster.conf))
    _, shown, _ = command.run(argv, environ, time.monotonic() + 20, 1 << 20)
    stamp = re.findall(r"@(\S+)\]", shown.decode())[-1]
    return calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%S"))


def test_every_state_a_node_may_be_in(make_slurm: MakeSlurm, release: Release) -> None:
    """Nodes out for any reason, in maintenance, rebooting, refused or failing stay untouched, in the same second.

    INVALID_REG is Slurm's own drain for lost GPUs (soperator #1232); a node that is draining still has its jobs
    (soperator #2635), and both stay as they are.
    """
    cluster = make_slurm(release=release, **scene.WISHES)
    scene.prepare(cluster)
    before = scene.ask(cluster)
    scene.check(before)
    expected = {
        "cpu-001": "drained",
        "cpu-002": "already-out",
        "gpu-001": "already-out",
        "gpu-002": "drained",  # a reservation that is not for maintenance, such as our own verification
        "gpu-003": "hands-off",
        "gpu-004": "hands-off",
        "gpu-005": "already-out",
        "gpu-006": "already-ours",
        "gpu-007": "hands-off",
        "gpu-008": "hands-off",
        "lone1": "not-a-node",
        "ALL": "not-a-node",
        "gpu-[001-008]": "not-a-node",
        "gpu-001,gpu-002": "not-a-node",
    }
    asked = {name: start(ask_of(cluster, node=name, budget_s=20.0)) for name in expected}
    found = {name: answer(process) for name, process in asked.items()}
    assert {name: one["outcome"] for name, one in found.items()} == expected, found
    after = scene.ask(cluster)
    drained = ("cpu-001", "gpu-002")
    assert {name: shown for name, shown in after.items() if name not in drained} == {
        name: shown for name, shown in before.items() if name not in drained
    }
    for name in drained:
        assert after[name].reason == OURS
        assert after[name].state == before[name].state | {"DRAIN"}
        assert after[name].since == _seconds(cluster, name)


@pytest.fixture(params=list(Release), ids=lambda release: release.value)
def release(request: pytest.FixtureRequest) -> Release:
    assert isinstance(request.param, Release)
    return request.param


@pytest.fixture
def cluster(slurm_release: SlurmCluster) -> SlurmCluster:
    """24.11 keeps the reason of a drain that was lifted until a job starts there; earlier tests lifted theirs."""
    for name, shown in scene.ask(slurm_release).items():
        if shown.reason:
            slurm_release.srun(f"--nodelist={name}", "true")
    return slurm_release


def test_drained_with_a_job_on_it_and_only_once(cluster: SlurmCluster) -> None:
    job = cluster.sbatch("sleep 600", f"--nodelist={NODE}", "--gres=gpu:1")
    cluster.wait_job(job, "RUNNING")
    began = time.time()
    found = call(ask_of(cluster))
    assert (found["outcome"], found["written"]) == ("drained", True), found
    assert found["seconds"]["total"] < 3
    shown = scene.ask(cluster)[NODE]
    assert (shown.reason, shown.in_service) == (OURS, False)
    assert shown.since is not None
    assert int(began) <= shown.since <= time.time()
    assert shown.since == _seconds(cluster, NODE)
    assert cluster.job_state(job) == "RUNNING"
    again = call(ask_of(cluster))
    assert (again["outcome"], again["written"]) == ("already-ours", False)
    other = call(ask_of(cluster, reason=OURS.replace("xid79", "xid95")))
    assert (other["outcome"], other["written"]) == ("already-ours", False)  # one drain serves every cause
    assert scene.ask(cluster)[NODE] == shown


def test_two_prologs_of_one_node_drain_it_once_and_both_know(cluster: SlurmCluster, tmp_path: Path) -> None:
    """Two GPUs lost at once, a job for each: neither reason is overwritten, and neither hook stays in doubt."""
    path = str(tmp_path / "drain.lock")
    reasons = [OURS.replace("gpu3", f"gpu{gpu}") for gpu in (0, 1)]
    both = [start(ask_of(cluster, reason=text, lock=path, budget_s=6.0)) for text in reasons]
    found = {one["outcome"]: one for one in map(answer, both)}
    assert set(found) == {"drained", "already-ours"}, found
    assert [found[outcome]["written"] for outcome in ("drained", "already-ours")] == [True, False]
    assert scene.ask(cluster)[NODE].reason == found["drained"]["reason"]
    assert found["already-ours"]["seconds"]["total"] < 3


def test_an_administrators_drain_survives_everything(cluster: SlurmCluster) -> None:
    """mej/nhc #134: a state that could not be read passed for a good one, and an administrator's drain was overwritten.

    mej/nhc #82 and the reset of a draining node (soperator #2635) are of the same kind: acting on a drain of others.
    """
    words = "admin: aami:a:xid79:gpu3 is a false alarm"
    cluster.scontrol("update", f"nodename={NODE}", "state=drain", f"reason={words}")
    before = scene.ask(cluster)[NODE]
    for settled in (False, True):
        assert call(ask_of(cluster, settled=settled))["outcome"] == "already-out"
    cluster.hang_controller()
    try:
        assert call(ask_of(cluster, budget_s=1.0))["outcome"] == "unknown"
    finally:
        cluster.start_controller()
    assert scene.ask(cluster)[NODE] == before


def test_an_administrator_who_drains_after_us_keeps_the_word(cluster: SlurmCluster) -> None:
    assert call(ask_of(cluster))["outcome"] == "drained"
    cluster.scontrol("update", f"nodename={NODE}", "state=drain", "reason=admin: mine now")
    before = scene.ask(cluster)[NODE]
    none = {"windows": [{"seconds": 600, "nodes": 1, "share": 0.01}], "out": {"share": 0.01, "at_least": 1}}
    assert call(ask_of(cluster, rails=none))["outcome"] == "already-out"
    assert scene.ask(cluster)[NODE] == before


def test_a_controller_that_is_down_or_frozen_costs_the_budget_and_no_more(cluster: SlurmCluster) -> None:
    cluster.stop_controller()
    _unknown_in_time(cluster, written=False)
    cluster.start_controller()
    cluster.hang_controller()
    try:
        _unknown_in_time(cluster, written=False)
    finally:
        cluster.start_controller()
    time.sleep(1)
    shown = scene.ask(cluster)[NODE]
    assert ("DRAIN" in shown.state, shown.reason) == (False, ""), shown.state


def test_a_controller_that_freezes_after_the_write_is_unknown_and_the_next_look_settles_it(
    cluster: SlurmCluster, tmp_path: Path
) -> None:
    scontrol = _then_freeze(cluster, tmp_path, "scontrol")
    try:
        _unknown_in_time(cluster, written=True, scontrol=scontrol)
    finally:
        cluster.start_controller()
    found = call(ask_of(cluster))
    assert (found["outcome"], found["written"]) == ("already-ours", False), found


def test_a_controller_that_freezes_before_the_write_may_do_it_later(
    cluster: SlurmCluster, tmp_path: Path
) -> None:
    """What its socket took in is carried out when it wakes, whoever asked is long gone: so it is not known."""
    sinfo = _then_freeze(cluster, tmp_path, "sinfo")
    try:
        _unknown_in_time(cluster, written=None, sinfo=sinfo)
    finally:
        cluster.start_controller()
    time.sleep(1)
    shown = scene.ask(cluster)[NODE]
    assert shown.in_service or shown.reason == OURS
    assert call(ask_of(cluster))["outcome"] in {"drained", "already-ours"}


def _then_freeze(cluster: SlurmCluster, folder: Path, program: str) -> str:
    """The program, and slurmctld frozen once it has ended."""
    path = folder / program
    path.write_text(
        f'#!/bin/sh\n{cluster.bin_dir}/{program} "$@"\nstatus=$?\n'
        f"kill -STOP $(cat {cluster.layout.pid_file})\nexit $status\n"
    )
    path.chmod(0o755)
    return str(path)


def _unknown_in_time(cluster: SlurmCluster, *, written: bool | None, **other: Any) -> None:
    began = time.monotonic()
    found = call(ask_of(cluster, **other))
    assert time.monotonic() - began < 3 + SLACK
    assert (found["outcome"], found["written"]) == ("unknown", written), found


def test_a_surplus_drain_leaves_the_node_in_service(cluster: SlurmCluster, tmp_path: Path) -> None:
    """Somebody else's drain of ours came first, in the moment between the look at the rails and the write."""
    one = {"windows": [{"seconds": 600, "nodes": 1, "share": 1.0}], "out": {"share": 1.0, "at_least": 3}}
    job = cluster.sbatch("sleep 600", f"--nodelist={NODE}", "--gres=gpu:1")
    cluster.wait_job(job, "RUNNING")
    scontrol = tmp_path / "scontrol"
    first = f"{cluster.bin_dir}/scontrol update NodeName=gpu-001 State=DRAIN 'Reason={OURS}'"
    scontrol.write_text(
        f'#!/bin/sh\ncase "$*" in *=DRAIN*) {first};; esac\nexec {cluster.bin_dir}/scontrol "$@"\n'
    )
    scontrol.chmod(0o755)
    found = call(ask_of(cluster, rails=one, scontrol=str(scontrol)))
    assert (found["outcome"], found["written"]) == ("surplus", True), found
    shown = scene.ask(cluster)
    assert shown[NODE].in_service
    assert cluster.job_state(job) == "RUNNING"
    assert shown["gpu-001"].reason == OURS
    assert not shown["gpu-001"].in_service
    assert call(ask_of(cluster, rails=one))["outcome"] == "rail"


def test_the_reason_of_a_lifted_drain_is_no_drain(cluster: SlurmCluster) -> None:
    """24.11 leaves it there. It counts in no rail; an administrator's is not overwritten, and gone when a job starts."""
    one = {"windows": [{"seconds": 600, "nodes": 1, "share": 1.0}], "out": {"share": 1.0, "at_least": 1}}
    for name, text in (("gpu-001", OURS), (NODE, "admin: was in repair")):
        cluster.scontrol("update", f"nodename={name}", "state=drain", f"reason={text}")
        cluster.scontrol("update", f"nodename={name}", "state=resume")
        cluster.wait_nodes("IDLE", nodes=[name])
    if scene.ask(cluster)[NODE].reason:
        assert call(ask_of(cluster, rails=one))["outcome"] == "hands-off"
        cluster.srun(f"--nodelist={NODE}", "true")
    assert scene.ask(cluster)[NODE].reason == ""
    found = call(ask_of(cluster, rails=one))
    assert (found["outcome"], found["written"]) == ("drained", True), found


STORM = 64
# The first look of each waits for those of all others: every one of them sees room, and they write together.
_TOGETHER = """\
#!/bin/sh
[ "$(ls {met} | wc -l)" -ge {number} ] && exec {sinfo} "$@"
{sinfo} "$@" >{met}.$$; status=$?
: >{met}/$$
while [ "$(ls {met} | wc -l)" -lt {number} ]; do sleep 0.1; done
cat {met}.$$
exit $status
"""


def test_nodes_that_fail_in_the_same_second_drain_no_more_than_the_rails_allow(
    make_slurm: MakeSlurm, release: Release, tmp_path: Path
) -> None:
    """One machine does the work of 64 here, so each has more time than a hook has."""
    cluster = make_slurm(release=release, nodes=STORM)
    cluster.scontrol("update", "nodename=gpu-007", "state=drain", "reason=admin: mine")
    cluster.scontrol("update", "nodename=gpu-009", "state=down", "reason=admin: gone")
    others = {name: scene.ask(cluster)[name] for name in ("gpu-007", "gpu-009")}
    sinfo, met = tmp_path / "sinfo", tmp_path / "met"
    met.mkdir()
    sinfo.write_text(_TOGETHER.format(met=met, number=STORM, sinfo=cluster.bin_dir / "sinfo"))
    sinfo.chmod(0o755)
    asked = {
        name: start(ask_of(cluster, node=name, rails=rails.STANDARD, budget_s=60.0, sinfo=str(sinfo)))
        for name in reversed(cluster.nodes)
    }
    found = {name: answer(process) for name, process in asked.items()}
    assert {name: scene.ask(cluster)[name] for name in others} == others
    outcomes = Counter(one["outcome"] for one in found.values())
    allowed = rails.allowed(2, 0.05, STORM)
    assert outcomes == {"drained": allowed, "surplus": STORM - len(others) - allowed, "already-out": 2}, found
    shown = scene.ask(cluster)
    out = {name for name in cluster.nodes if shown[name].reason == OURS and not shown[name].in_service}
    assert out == {name for name, one in found.items() if one["outcome"] == "drained"}
    assert all(shown[name].in_service for name, one in found.items() if one["outcome"] == "surplus")
