"""`aami-hpc status` as a person and a script meet it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.calls import aami, as_nobody, slurm_environ

if TYPE_CHECKING:
    from tests.lab.fixtures import MakeSlurm
    from tests.lab.slurm import SlurmCluster

pytestmark = pytest.mark.slow


def test_without_slurm_this_machine_is_shown_and_all_is_well() -> None:
    done = aami("status")
    assert done.returncode == 0, done.stdout
    assert "No Slurm on this machine" in done.stdout


def test_a_cluster_that_is_named_and_does_not_answer_is_status_1() -> None:
    done = aami("status", "--json", SLURM_CONF="/nonexistent/slurm.conf")
    assert done.returncode == 1
    assert json.loads(done.stdout)["healthy"] is False


@pytest.mark.lab
def test_a_real_cluster_healthy_and_not(slurm_2205: SlurmCluster) -> None:
    environ = slurm_environ(slurm_2205)
    good = aami("status", "--json", **environ)
    assert good.returncode == 0, good.stdout
    assert json.loads(good.stdout)["states"][0]["count"] == len(slurm_2205.nodes)
    first, second = slurm_2205.nodes[:2]
    slurm_2205.scontrol("update", f"nodename={first}", "state=drain", "reason=aami:p:firmware gpu3")
    slurm_2205.scontrol("update", f"nodename={second}", "state=down", "reason=burnt")
    bad = as_nobody("status", "--json", environ=environ)
    assert bad.returncode == 1
    data = json.loads(bad.stdout)
    (drained,), (down,) = data["drained"], data["down"]
    assert (drained["nodes"], drained["reason"], drained["user"]) == (first, "aami:p:firmware gpu3", "root")
    assert 0 <= drained["age_s"] < 600
    assert (down["nodes"], down["reason"]) == (second, "burnt")
    page = aami("status", **environ).stdout
    assert "Not healthy: 1 node down, 1 node drained." in page


@pytest.mark.lab
def test_nodes_that_are_not_there_yet_are_no_failure(make_slurm: MakeSlurm) -> None:
    cluster = make_slurm(nodes=1, lines=("NodeName=later[1-2] State=FUTURE",))
    done = aami("status", "--json", **slurm_environ(cluster))
    states = {one["state"]: (one["nodes"], one["absent"]) for one in json.loads(done.stdout)["states"]}
    assert states == {"FUTURE": ("later[1-2]", True), "IDLE": (cluster.nodes[0], False)}
    assert done.returncode == 0


@pytest.mark.lab
def test_a_hung_controller_is_told_and_status_1(slurm_2205: SlurmCluster) -> None:
    slurm_2205.hang_controller()
    done = aami("status", "--json", **slurm_environ(slurm_2205))
    assert done.returncode == 1
    assert json.loads(done.stdout)["slurm"]["answers"] is False
