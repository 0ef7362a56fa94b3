"""`status`: what counts as healthy, and what is shown of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.actions.status import status
from aami_hpc.actions.status_page import age
from aami_hpc.config import Settings, load
from aami_hpc.errors import SlurmAnswer, SlurmNotFound
from aami_hpc.model.slurm import Controller
from aami_hpc.render.plain import to_text
from aami_hpc.testing import FakeClock
from tests.actions.survey_support import DOWN, NOW, SILENT, UP, Answers, node, nodes
from tests.fleet_survey.support import Root

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.actions.result import Result
    from aami_hpc.slurm.client import SlurmClient


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.bare(tmp_path / "root")


def none() -> SlurmClient:
    raise SlurmNotFound("Slurm's client commands are not on this machine")


def run(root: Root, client: Answers | None = None, settings: Settings | None = None) -> Result:
    return status(settings or Settings(), root.world(), FakeClock(), lambda: client or none())


def test_a_healthy_cluster_on_one_screen(root: Root) -> None:
    result = run(root, Answers(given_nodes=(*nodes("gpu", 60, "IDLE"), *nodes("cpu", 8, "ALLOCATED"))))
    assert result.yes
    assert result.data["healthy"] is True
    assert result.data["cluster"] == {"name": "lab", "source": "scontrol show config"}
    assert result.data["controllers"] == [{"host": "head1", "role": "primary", "up": True}]
    assert [(one["state"], one["count"], one["nodes"]) for one in result.data["states"]] == [
        ("IDLE", 60, "gpu[001-060]"),
        ("ALLOCATED", 8, "cpu[001-008]"),
    ]
    page = to_text(result.document)
    assert len(page.splitlines()) <= 24
    assert "alert" not in page.lower()
    assert "exporter" not in page.lower()


def test_drains_say_why_who_and_since_when(root: Root) -> None:
    drained = [
        node(
            "gpu001", "IDLE", "DRAIN", reason="aami:a:xid79:gpu3", user="root", since=NOW - timedelta(hours=3)
        ),
        node(
            "gpu002", "IDLE", "DRAIN", reason="aami:a:xid79:gpu3", user="root", since=NOW - timedelta(days=2)
        ),
        node("gpu003", "MIXED", "DRAIN", reason="firmware", user="ann", since=NOW - timedelta(minutes=5)),
    ]
    result = run(root, Answers(given_nodes=(*drained, node("gpu004", "IDLE"))))
    assert not result.yes
    first, second = result.data["drained"]
    assert first == {
        "nodes": "gpu[001-002]",
        "count": 2,
        "state": "IDLE+DRAIN",
        "reason": "aami:a:xid79:gpu3",
        "user": "root",
        "since": (NOW - timedelta(days=2)).isoformat(),
        "age_s": 172800,
    }
    assert (second["nodes"], second["user"], second["age_s"]) == ("gpu003", "ann", 300)
    page = to_text(result.document)
    assert "Not healthy: 3 nodes drained." in page
    assert "2 d" in page
    assert "5 min" in page


@pytest.mark.parametrize(
    ("words", "healthy"),
    [
        (("IDLE",), True),
        (("MIXED",), True),
        (("IDLE", "MAINTENANCE"), True),
        (("IDLE", "RESERVED"), True),
        (("IDLE", "REBOOT_REQUESTED"), True),
        (("IDLE", "POWERED_DOWN"), True),
        (("DOWN", "POWERING_DOWN"), True),
        (("IDLE", "DRAIN", "POWERED_DOWN"), True),
        (("FUTURE",), True),
        (("IDLE", "PLANNED"), True),
        (("IDLE", "DRAIN"), False),
        (("DOWN",), False),
        (("IDLE", "NOT_RESPONDING"), False),
        (("UNKNOWN",), False),
        (("IDLE", "FAIL"), False),
        (("IDLE", "INVALID_REG"), False),
        (("ERROR",), False),
    ],
)
def test_which_states_are_failures(root: Root, words: tuple[str, ...], healthy: bool) -> None:  # noqa: FBT001
    result = run(root, Answers(given_nodes=(node("gpu001", *words), node("gpu002", "IDLE"))))
    assert result.yes is healthy
    assert bool(result.data["down"] or result.data["drained"]) is not healthy


def test_a_drained_node_that_is_down_is_counted_once(root: Root) -> None:
    result = run(root, Answers(given_nodes=(node("gpu001", "DOWN", "DRAIN", reason="disk"),)))
    assert len(result.data["drained"]) == 1
    assert result.data["down"] == []


def test_a_silent_controller_is_no_good_answer(root: Root) -> None:
    result = run(root, Answers(given_controllers=SILENT))
    assert not result.yes
    assert result.data["slurm"] == {
        "present": True,
        "answers": False,
        "why": f"{SILENT.message} ({SILENT.cause})",
    }
    assert result.data["states"] == []
    assert SILENT.message in to_text(result.document)


def test_an_answer_about_nodes_that_can_not_be_read_is_not_healthy(root: Root) -> None:
    result = run(root, Answers(given_nodes=SlurmAnswer("The answer of sinfo can't be read")))
    assert not result.yes
    assert "can't be read" in to_text(result.document)


def test_a_silent_slurm_says_nothing_about_configured_nodes(root: Root, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("nodes: {n1: {address: 127.0.0.1}}\n")
    result = run(root, Answers(given_controllers=SILENT), load(file, environ={}))
    assert result.data["states"][0]["state"] == "unknown: Slurm did not tell"


@pytest.mark.parametrize("controllers", [(DOWN,), (UP, Controller("head2", "backup", up=False))])
def test_every_controller_has_to_be_up(root: Root, controllers: tuple[Controller, ...]) -> None:
    result = run(root, Answers(given_controllers=controllers))
    assert not result.yes
    assert "is down" in to_text(result.document)


def test_a_slurm_conf_without_commands_is_a_cluster_that_does_not_answer(root: Root) -> None:
    root.write("/etc/slurm/slurm.conf", "ClusterName=lab\n")
    result = run(root)
    assert not result.yes
    assert result.data["cluster"] == {"name": "lab", "source": "/etc/slurm/slurm.conf"}


def test_without_slurm_this_machine_is_shown_and_what_the_configuration_says(
    root: Root, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("cluster: {name: bench}\nnodes: {n1: {address: 127.0.0.1}}\n")
    result = run(root, settings=load(file, environ={}))
    assert result.yes
    assert result.data["machine"]["name"]["value"] == "head1"
    assert result.data["cluster"] == {"name": "bench", "source": f"{file}:1"}
    assert result.data["states"] == [{"state": "not in Slurm", "count": 1, "nodes": "n1", "absent": False}]
    assert result.data["configuration"] == [str(file)]
    page = to_text(result.document)
    assert "No Slurm on this machine" in page
    assert "Controller" not in page


def test_outside_text_is_escaped(root: Root) -> None:
    bad = node("gpu001", "IDLE", "DRAIN", reason="\x1b]0;owned\x07 \u202e", user="\x1b[31mroot")
    page = to_text(run(root, Answers(given_nodes=(bad,))).document)
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_ten_thousand_nodes_fold_into_a_screen(root: Root) -> None:
    many = tuple(
        node(f"n{number:05d}", ("IDLE", "ALLOCATED", "MIXED")[number // 4000]) for number in range(10000)
    )
    assert len(to_text(run(root, Answers(given_nodes=many)).document).splitlines()) <= 24


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-5, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (172800, "2 d"), (1e9, "11574 d")],
)
def test_ages(seconds: float, words: str) -> None:
    assert age(seconds) == words


def test_keys_of_the_json_are_stable(root: Root) -> None:
    expected: set[Any] = {
        "healthy", "cluster", "configuration", "slurm", "controllers", "states", "drained", "down",
    }  # fmt: skip
    assert set(run(root, Answers()).data) == expected
    assert set(run(root).data) == expected | {"machine"}
