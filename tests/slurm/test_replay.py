"""What real releases of Slurm answered, read again: the same nodes from every one of them."""

from __future__ import annotations

import pytest

from aami_hpc.slurm.programs import Programs
from aami_hpc.slurm.text import TextClient
from tests.slurm.replay import RECORDED, SEPARATOR, Replay
from tests.slurm.scene import check

PROGRAMS = Programs({"scontrol": "/opt/slurm/bin/scontrol", "sinfo": "/opt/slurm/bin/sinfo"}, {})

pytestmark = pytest.mark.parametrize("release", RECORDED)


@pytest.fixture
def client(release: str) -> TextClient:
    return TextClient(PROGRAMS, Replay(release), 3.0, separator=lambda: SEPARATOR)


def test_debian_12_is_recorded(release: str) -> None:
    assert "22.05" in RECORDED


def test_nodes(client: TextClient) -> None:
    check(client.nodes())


def test_version(client: TextClient, release: str) -> None:
    assert client.version().startswith(f"{release}.")


def test_controllers(client: TextClient) -> None:
    (only,) = client.controllers()
    assert (only.host, only.role, only.up) == ("head1", "primary", True)


def test_partitions(client: TextClient) -> None:
    found = {partition.name: partition for partition in client.partitions()}
    assert list(found) == ["gpu", "all", "hidden", "empty"]
    assert (found["gpu"].nodes, found["gpu"].state, found["gpu"].default) == ("gpu-[001-005]", "UP", True)
    assert (found["hidden"].nodes, found["hidden"].state, found["hidden"].default) == (
        "cpu-001",
        "DRAIN",
        False,
    )
    assert found["empty"].nodes == ""


def test_config(client: TextClient, release: str) -> None:
    found = client.config()
    assert found["ClusterName"] == "scene"
    assert found["SLURM_VERSION"].startswith(release)
    assert found["SlurmctldHost[0]"].startswith("head1")
    assert found["AuthType"] == "auth/munge"
    assert not any("is UP" in value for value in found.values())


def test_one_ping_serves_all_questions_and_nothing_is_asked_twice(release: str) -> None:
    replay = Replay(release)
    client = TextClient(PROGRAMS, replay, 3.0, separator=lambda: SEPARATOR)
    client.nodes()
    client.partitions()
    client.config()
    assert replay.calls.count("scontrol ping") == 1
