"""The text back end against real controllers: every release of the lab, hostile text, hanging and stopped ones."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from aami_hpc.config.sections.slurm import SlurmSection
from aami_hpc.errors import SlurmUnreachable
from aami_hpc.io.run import SystemRunner
from aami_hpc.slurm.client import open_client
from tests.lab.releases import Release
from tests.slurm.scene import WISHES, check, prepare

if TYPE_CHECKING:
    from aami_hpc.slurm.client import SlurmClient
    from tests.lab.fixtures import MakeSlurm
    from tests.lab.slurm import SlurmCluster

pytestmark = pytest.mark.lab

PATIENCE = 3.0
SLACK = 2.0  # seconds for starting programs on a busy machine; a client that retries would take 9


def _client(cluster: SlurmCluster, timeout: float = PATIENCE) -> SlurmClient:
    section = SlurmSection(conf=cluster.conf, bin_dir=cluster.bin_dir, timeout=timeout)
    return open_client(section, SystemRunner(), os.environ)


@pytest.mark.parametrize("release", list(Release), ids=lambda release: release.value)
def test_forged_reasons_and_comments_fool_nobody(make_slurm: MakeSlurm, release: Release) -> None:
    cluster = make_slurm(release=release, **WISHES)
    prepare(cluster)
    client = _client(cluster, timeout=20)
    check(client.nodes())
    assert client.version() == cluster.version
    assert client.config()["ClusterName"] == cluster.name
    assert [partition.name for partition in client.partitions()] == ["gpu", "all", "hidden", "empty"]


def test_a_stopped_controller_is_told_at_once(slurm_2205: SlurmCluster) -> None:
    slurm_2205.stop_controller()
    begun = time.monotonic()
    with pytest.raises(SlurmUnreachable) as caught:
        _client(slurm_2205).nodes()
    assert time.monotonic() - begun < PATIENCE
    assert f":{slurm_2205.ports.controller}" in caught.value.message


def test_a_hanging_controller_costs_the_timeout_once(slurm_2205: SlurmCluster) -> None:
    slurm_2205.hang_controller()
    client = _client(slurm_2205)
    begun = time.monotonic()
    for verb in (client.nodes, client.partitions, client.config, client.controllers):
        with pytest.raises(SlurmUnreachable):
            verb()
    assert PATIENCE <= time.monotonic() - begun < PATIENCE + SLACK


def test_users_settings_do_not_change_the_answer(
    slurm_2205: SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm_2205.scontrol("update", "nodename=gpu-002", "state=drain", "reason=when?")
    before = _client(slurm_2205).nodes()
    for name, value in {
        "SLURM_TIME_FORMAT": "%s",
        "TZ": "Asia/Seoul",
        "SINFO_FORMAT": "%N",
        "LC_ALL": "C",
    }.items():
        monkeypatch.setenv(name, value)
    assert _client(slurm_2205).nodes() == before
    state = before[1].state
    assert state is not None
    assert state.reason_time is not None
    assert abs(state.reason_time.timestamp() - time.time()) < 60


def test_ten_thousand_nodes_are_read_within_the_default_timeout(make_slurm: MakeSlurm) -> None:
    extra = {"PrivateData": "cloud", "SuspendProgram": "/bin/true", "ResumeProgram": "/bin/true"}
    cluster = make_slurm(nodes=1, extra=extra)
    with cluster.conf.open(
        "a"
    ) as conf:  # afterwards: what starts a cluster asks in a way that is slow for so many
        conf.write(
            "NodeName=big[00001-10000] NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 Gres=gpu:h100:8 State=CLOUD\n"
            "PartitionName=big Nodes=big[00001-10000]\nPartitionName=more Nodes=big[00001-10000]\n"
        )
    cluster.stop_controller()
    cluster.start_controller()
    nodes = _client(cluster).nodes()
    assert len(nodes) == 10_001
    assert nodes[9999].name == "big10000"
    assert nodes[9999].partitions == ("gpu", "big", "more")
    assert nodes[9999].gpus == 8
