"""docs/look.md tells the truth: its example is what the code prints, and every key of the JSON is in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aami_hpc.actions.look import look
from aami_hpc.actions.status import status
from aami_hpc.config import Settings
from aami_hpc.model.node import Node
from aami_hpc.model.slurm import Controller, Partition
from aami_hpc.render.plain import to_text
from aami_hpc.testing import FakeClock
from tests.actions.survey_support import NOW, Answers, node
from tests.fleet_survey.support import PROMETHEUS, Root

if TYPE_CHECKING:
    from aami_hpc.fleet.survey.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "look.md").read_text(encoding="utf-8")
CLUSTER = Answers(
    given_nodes=(
        *(node(f"gpu{number:03d}", "MIXED") for number in range(1, 31)),
        node(
            "gpu031", "IDLE", "DRAIN", reason="Xid 79 GPU3, ticket 4711", user="ann", since=NOW.replace(day=1)
        ),
        node(
            "gpu032",
            "DOWN",
            "NOT_RESPONDING",
            reason="Not responding",
            user="slurm",
            since=NOW.replace(hour=1),
        ),
        Node("login1", cpus=64, memory_mb=256_000, state=node("login1", "IDLE").state),
    ),
    given_controllers=(Controller("head1", "primary", up=True), Controller("head2", "backup", up=True)),
    given_version="24.11.5",
    given_partitions=(
        Partition("gpu", "gpu[001-032]", "UP", default=True),
        Partition("login", "login1", "UP"),
    ),
    given_config={
        "ClusterName": "alps",
        "SLURM_CONF": "/etc/slurm/slurm.conf",
        "SlurmdSpoolDir": "/var/spool/slurmd",
        "StateSaveLocation": "/var/spool/slurmctld",
        "SlurmctldLogFile": "/var/log/slurm/slurmctld.log",
        "SlurmdLogFile": "/var/log/slurm/slurmd.log",
        "SlurmUser": "slurm(64030)",
        "GresTypes": "gpu",
        "Prolog": "/etc/slurm/prolog.sh",
        "Epilog": "(null)",
        "PrologSlurmctld": "(null)",
        "EpilogSlurmctld": "(null)",
        "TaskProlog": "(null)",
        "HealthCheckProgram": "/usr/sbin/nhc",
        "HealthCheckInterval": "300 sec",
        "HealthCheckNodeState": "ANY",
        "PrologFlags": "Alloc,Contain",
        "PrologEpilogTimeout": "65534",
        "MessageTimeout": "10 sec",
    },
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A head node with a Prometheus of its own, seen by an ordinary user."""
    root = Root.bare(tmp_path)
    root.write("/etc/slurm/slurm.conf", "# Ansible managed\nClusterName=alps\n")
    root.write("/usr/bin/scontrol", "", mode=0o755)
    root.write("/usr/sbin/nhc", "", mode=0o755)
    root.process(812, "prometheus", uid=PROMETHEUS)
    root.listen(9090, inode=1, uid=PROMETHEUS)
    root.write("/usr/lib/systemd/system/prometheus.service", "")
    return root.world()


def indented(text: str) -> str:
    return f"```\n{text}```"


def test_the_example_is_what_look_prints(world: World) -> None:
    text = to_text(look(Settings(), world=world, connect=lambda: CLUSTER).document)
    assert indented(text) in PAGE, text


def test_the_example_is_what_status_prints(world: World) -> None:
    text = to_text(status(Settings(), world, FakeClock(), lambda: CLUSTER).document)
    assert indented(text) in PAGE, text


def test_every_key_of_the_json_is_in_the_page(world: World) -> None:
    data = look(Settings(), world=world, connect=lambda: CLUSTER).data
    for section, facts in data.items():
        assert f"`{section}`" in PAGE
        for key in facts if isinstance(facts, dict) else facts[0] if facts else ():
            assert f"`{key}`" in PAGE, (section, key)
    for key in status(Settings(), world, FakeClock(), lambda: CLUSTER).data:
        assert f"`{key}`" in PAGE, key
