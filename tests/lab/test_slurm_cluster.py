"""The lab's Slurm clusters are real: what other tests build on is shown here first, on every release."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.lab.ledger import LabError
from tests.lab.releases import Release
from tests.lab.slurm_conf import NodeGroup
from tests.lab.waiting import until

if TYPE_CHECKING:
    from tests.lab.fixtures import MakeSlurm
    from tests.lab.slurm import SlurmCluster

pytestmark = pytest.mark.lab

every_release = pytest.mark.parametrize("release", list(Release), ids=lambda release: release.value)
DUMP = """#!/bin/sh
dump="${{0%/*}}/{name}.$SLURM_JOB_ID"
/usr/bin/env > "$dump.part" && /bin/mv "$dump.part" "$dump"
"""
ROUNDS = 20


def _environment(cluster: SlurmCluster, hook: str, job: int) -> dict[str, str]:
    path = cluster.layout.hooks / f"{hook}.{job}"
    until(path.exists, f"the {hook} to run", timeout=20, evidence=cluster.logs)
    return dict(line.partition("=")[::2] for line in path.read_text().splitlines())


@every_release
def test_hooks_get_the_gpus_that_the_job_got(make_slurm: MakeSlurm, release: Release) -> None:
    hooks = {"Prolog": DUMP.format(name="prolog"), "Epilog": DUMP.format(name="epilog")}
    cluster = make_slurm(release=release, hooks=hooks, nodes=1)
    job = cluster.sbatch("echo devices=$CUDA_VISIBLE_DEVICES", "--gres=gpu:2")
    cluster.wait_job(job)
    assert cluster.output(job) == "devices=0,1\n"
    for hook in hooks:
        environ = _environment(cluster, hook.lower(), job)
        wanted = {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_GPUS": "0,1", "SLURMD_NODENAME": "gpu-001"}
        assert wanted.items() <= environ.items()
        assert environ["SLURM_SCRIPT_CONTEXT"] == f"{hook.lower()}_slurmd"


def test_a_drained_node_shows_with_its_reason(slurm_release: SlurmCluster) -> None:
    slurm_release.scontrol("update", "nodename=gpu-002", "state=drain", "reason=lab test")
    assert slurm_release.node_states() == {"gpu-001": "IDLE", "gpu-002": "DRAINED", "gpu-003": "IDLE"}
    assert slurm_release.ask("sinfo", "-h", "-R", "-o", "%E %N").strip() == "lab test gpu-002"


def test_the_next_test_finds_everything_as_it_was(slurm_release: SlurmCluster) -> None:
    assert set(slurm_release.node_states().values()) == {"IDLE"}
    assert slurm_release.ask("sinfo", "-h", "-R").strip() == ""


def test_a_job_runs_on_all_nodes_at_once(slurm_release: SlurmCluster) -> None:
    said = slurm_release.srun("-N3", "--gres=gpu:8", "printenv", "SLURMD_NODENAME")
    assert sorted(said.split()) == list(slurm_release.nodes)


def test_a_node_that_is_stopped_comes_back(slurm_release: SlurmCluster) -> None:
    slurm_release.stop_nodes("gpu-003")
    slurm_release.scontrol("update", "nodename=gpu-003", "state=down", "reason=gone")
    slurm_release.wait_nodes("DOWN", nodes=["gpu-003"])
    slurm_release.reset()
    assert slurm_release.srun("-w", "gpu-003", "printenv", "SLURMD_NODENAME").strip() == "gpu-003"


def test_settings_change_in_the_running_cluster(slurm_release: SlurmCluster) -> None:
    before = slurm_release.scontrol("show", "config")
    slurm_release.reconfigure(HealthCheckProgram="/bin/true", HealthCheckInterval="0")
    shown = slurm_release.scontrol("show", "config")
    assert "/bin/true" in shown
    assert "/bin/true" not in before
    assert slurm_release.srun("-N3", "true") == ""


def test_the_table_of_capabilities_tells_the_truth(slurm_release: SlurmCluster) -> None:
    known = slurm_release.installation.judged.capabilities
    asked = slurm_release.call("scontrol", "show", "nodes", "--json")
    assert known.scontrol_json == (asked.returncode == 0)
    if known.scontrol_json:
        assert [node["name"] for node in json.loads(asked.stdout)["nodes"]] == list(slurm_release.nodes)


def test_a_hung_controller_accepts_and_never_answers(make_slurm: MakeSlurm) -> None:
    cluster = make_slurm(nodes=1, extra={"MessageTimeout": "2"})
    cluster.hang_controller()
    started = time.monotonic()
    done = cluster.call("sinfo", timeout=30)
    assert time.monotonic() - started >= 2
    assert done.returncode != 0
    assert "Socket timed out" in done.stderr
    with pytest.raises(LabError, match="did not end within 1 s"):
        cluster.ask("squeue", timeout=1)
    cluster.start_controller()
    assert cluster.srun("hostname")


@every_release
def test_a_stopped_controller_refuses_and_remembers(make_slurm: MakeSlurm, release: Release) -> None:
    cluster = make_slurm(release=release, nodes=1)
    cluster.scontrol("update", "nodename=gpu-001", "state=drain", "reason=before the stop")
    cluster.stop_controller()
    ping = cluster.call("scontrol", "ping")
    assert ping.returncode != 0
    assert "DOWN" in ping.stdout
    cluster.start_controller()
    assert "before the stop" in cluster.ask("sinfo", "-R", "-h", "-o", "%E")


@every_release
def test_accounting_knows_the_job(make_slurm: MakeSlurm, release: Release) -> None:
    cluster = make_slurm(release=release, nodes=1, accounting=True)
    job = cluster.sbatch("exit 3", "--gres=gpu:4")
    cluster.wait_job(job, "FAILED")
    words = ("-X", "-n", "-P", "-o", "cluster,state,exitcode,alloctres", "-j", str(job))
    row = until(
        lambda: found if "FAILED" in (found := cluster.ask("sacct", *words)) else "",
        "sacct to know how the job ended",
        timeout=30,
        evidence=lambda: cluster.logs("slurmdbd"),
    )
    assert row.startswith(f"{cluster.name}|FAILED|3:0|")
    assert "gres/gpu=4" in row


def test_native_metrics_where_the_release_has_them(make_slurm: MakeSlurm) -> None:
    cluster = make_slurm(release=Release.SID, nodes=2, extra={"MetricsType": "metrics/openmetrics"})
    if not cluster.installation.judged.capabilities.metrics:
        pytest.fail(f"Slurm {cluster.version} should be able to")
    url = f"http://{cluster.host.address}:{cluster.ports.controller}/metrics/nodes"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert "slurm_nodes 2" in answer.read().decode()


def test_sixty_four_nodes(make_slurm: MakeSlurm) -> None:
    cluster = make_slurm(nodes=64)
    assert cluster.ask("sinfo", "-h", "-o", "%D %T %N").strip() == "64 idle gpu-[001-064]"
    assert len(cluster.srun("-N64", "true", timeout=120)) == 0


def test_nodes_of_several_kinds_in_several_partitions(make_slurm: MakeSlurm) -> None:
    cluster = make_slurm(
        nodes=[NodeGroup(2, gpus=4, gres_type="b200", features=("nvlink",)), NodeGroup(1, 0, prefix="cpu-")],
        partitions={"big": "Nodes=gpu-[001-002] Default=YES", "small": "Nodes=cpu-001"},
        lines=["NodeName=cloud-[1-2] CPUs=1 State=FUTURE"],
    )
    said = cluster.ask("sinfo", "-h", "-o", "%P %N %G %f")
    assert [line.split() for line in said.splitlines()] == [
        ["big*", "gpu-[001-002]", "gpu:b200:4", "nvlink"],
        ["small", "cpu-001", "(null)", "(null)"],
    ]
    assert cluster.call("srun", "-p", "small", "--gres=gpu:1", "true").returncode != 0


def test_clusters_side_by_side_do_not_meet(make_slurm: MakeSlurm) -> None:
    one, two, old = make_slurm(), make_slurm(release=Release.TRIXIE), make_slurm(nodes=1)
    one.scontrol("update", "nodename=gpu-001", "state=drain", "reason=only here")
    assert two.node_states()["gpu-001"] == old.node_states()["gpu-001"] == "IDLE"
    assert len({one.version, two.version}) == 2
    one.close()
    assert two.srun("-N3", "true") == ""
    assert old.srun("true") == ""


def test_a_cluster_that_can_t_start_shows_the_log(make_slurm: MakeSlurm) -> None:
    with pytest.raises(LabError, match="slurmctld ended with 1") as caught:
        make_slurm(extra={"SelectType": "select/no_such_plugin"})
    assert "no_such_plugin" in str(caught.value)


@pytest.mark.soak
@every_release
def test_a_cluster_starts_and_stops_reliably(make_slurm: MakeSlurm, release: Release) -> None:
    for _ in range(ROUNDS):
        cluster = make_slurm(release=release, nodes=8)
        cluster.sbatch("sleep 600", "-N8")
        assert len(cluster.srun("-N8", "printenv", "SLURMD_NODENAME").split()) == 8
        cluster.close()
        assert not cluster.ledger.folder.exists()


@pytest.mark.soak
def test_every_version_of_the_lab_is_known(slurm_release: SlurmCluster) -> None:
    assert slurm_release.installation.judged.verdict == "known", slurm_release.version
