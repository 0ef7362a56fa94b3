"""Slurm on real nodes: jobs, fake GPUs, other host names, and a controller that hangs or is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.nodes import NodeLab

pytestmark = pytest.mark.lab


def test_slurm_runs_on_the_nodes_whatever_they_call_themselves(node_lab_slurm: NodeLab) -> None:
    assert node_lab_slurm.nodes["gpu002"].run("hostname") == "blade-17\n"
    said = node_lab_slurm.head.run("srun -w gpu002 sh -c 'hostname; echo $SLURMD_NODENAME'")
    assert said == "blade-17\ngpu002\n"


def test_jobs_get_the_fake_gpus(node_lab_slurm: NodeLab) -> None:
    said = node_lab_slurm.head.run("srun -N3 --gres=gpu:4 sh -c 'echo $CUDA_VISIBLE_DEVICES'")
    assert said == "0,1,2,3\n" * 3


def test_a_hung_slurmctld_takes_connections_and_never_answers(node_lab_slurm: NodeLab) -> None:
    head = node_lab_slurm.head
    with head.hung("slurmctld.service"):
        assert head.try_run("timeout 3 sinfo").returncode == 124
    assert "gpu001" in head.run("sinfo -N")


def test_a_stopped_slurmctld_is_refused(node_lab_slurm: NodeLab) -> None:
    head = node_lab_slurm.head
    with head.stopped("slurmctld.service"):
        assert "DOWN" in head.try_run("scontrol ping").stdout
    node_lab_slurm.wait_running()


def test_pam_turns_people_away_who_have_no_job(node_lab_slurm: NodeLab) -> None:
    node = node_lab_slurm.nodes["gpu001"]
    with node.only_with_a_job():
        refused = node.try_run("true", user="ops")
        assert "Access denied by pam_slurm_adopt" in refused.stderr
        assert node.run("id -un") == "root\n"
    assert node.run("id -un", user="ops") == "ops\n"
