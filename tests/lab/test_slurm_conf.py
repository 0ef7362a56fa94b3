"""slurm.conf and its relatives as text, and what the lab takes a version for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.capabilities import KNOWN, judge
from tests.lab.slurm_conf import Host, Layout, NodeGroup, Ports, Wish, gres_conf, slurm_conf

LAYOUT = Layout(Path("/run/x"))
PORTS = Ports(controller=100, dbd=101, database=102, nodes=103)


def _lines(**wishes: object) -> list[str]:
    wish = Wish(**({"name": "c", "groups": (NodeGroup(2),)} | wishes))  # type: ignore[arg-type]  # as a test likes
    return slurm_conf(wish, LAYOUT, PORTS, Host("head")).splitlines()


def test_nodes_are_one_line_a_group_with_ports_in_a_row() -> None:
    groups = (NodeGroup(2, features=("nvlink", "ib")), NodeGroup(1, gpus=0, prefix="cpu-", first=7))
    assert [line for line in _lines(groups=groups) if line.startswith("NodeName")] == [
        (
            "NodeName=gpu-[001-002] NodeHostname=head NodeAddr=127.0.0.1 Port=[103-104] CPUs=32 RealMemory=64000 "
            "Gres=gpu:h100:8 Features=nvlink,ib State=UNKNOWN"
        ),
        "NodeName=cpu-007 NodeHostname=head NodeAddr=127.0.0.1 Port=105 CPUs=32 RealMemory=64000 State=UNKNOWN",
    ]


def test_extra_keys_replace_ours_and_an_empty_one_goes() -> None:
    lines = _lines(extra={"ReturnToService": "1", "PrologFlags": "", "Prolog": "/p"})
    assert "ReturnToService=1" in lines
    assert "Prolog=/p" in lines
    assert not [line for line in lines if line.startswith(("PrologFlags", "ReturnToService=2"))]


def test_gres_names_the_devices_of_nodes_that_have_some() -> None:
    text = gres_conf((NodeGroup(2), NodeGroup(1, gpus=1, first=3), NodeGroup(4, gpus=0)), Path("/d"))
    assert text.splitlines() == [
        "AutoDetect=off",
        "NodeName=gpu-[001-002] Name=gpu Type=h100 File=/d/nvidia[0-7]",
        "NodeName=gpu-003 Name=gpu Type=h100 File=/d/nvidia0",
    ]


@pytest.mark.parametrize(
    ("version", "verdict", "taken_for"),
    [
        ("22.05.8", "known", "22.05"),
        ("26.05.5", "known", "26.05"),
        ("26.05.0-rc1", "known", "26.05"),
        ("26.11.0", "unknown newer", KNOWN[-1].release),
        ("25.11.2", "unknown newer", "24.11"),
        ("21.08.5", "unknown older", "22.05"),
    ],
)
def test_a_version_is_known_or_taken_for_its_nearest_older_neighbour(
    version: str, verdict: str, taken_for: str
) -> None:
    judged = judge(version)
    assert (judged.verdict, judged.capabilities.release) == (verdict, taken_for)


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(ValueError, match="no Slurm version"):
        judge("slurm")
