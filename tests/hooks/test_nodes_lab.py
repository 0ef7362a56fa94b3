"""Generations on real nodes: systemd, sshd and Slurm in each, and what goes wrong with nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.nodes import NodeLab

pytestmark = pytest.mark.lab

LIBRARY = "/usr/lib/aami-hpc"


@pytest.fixture
def lab(node_lab_slurm: NodeLab) -> Iterator[NodeLab]:
    """Nodes without hooks, before and after."""
    yield node_lab_slurm
    configure(node_lab_slurm)
    told = hooks(node_lab_slurm, "remove")
    assert {one["outcome"] for one in told["nodes"].values()} <= {"removed", "unchanged"}


def configure(lab: NodeLab, **sections: Any) -> None:
    settings = {"ssh": {"connect_timeout": "8s"}, **sections}
    lab.head.write("/etc/aami-hpc/config.yaml", yaml.safe_dump(settings))


def hooks(lab: NodeLab, *arguments: str, status: int | None = None) -> dict[str, Any]:
    ended = lab.head_product("hooks", *arguments, "--json", timeout=180)
    assert ended.stdout, ended.stderr
    assert status is None or ended.returncode == status, ended.stdout
    found = json.loads(ended.stdout)
    assert isinstance(found, dict)
    return found


def outcomes(told: dict[str, Any]) -> dict[str, str]:
    return {name: one["outcome"] for name, one in told["nodes"].items()}


def all_of(lab: NodeLab, outcome: str) -> dict[str, str]:
    return dict.fromkeys(lab.nodes, outcome)


def test_from_a_bare_node_to_hooks_and_back(lab: NodeLab) -> None:
    configure(lab)
    pushed = hooks(lab, "push", status=0)
    assert outcomes(pushed) == all_of(lab, "pushed")
    node = lab.nodes["gpu002"]  # its host is called otherwise
    assert node.run("cat /etc/aami-hpc/node-name") == "gpu002\n"
    assert json.loads(node.run("cat /etc/aami-hpc/node.json"))["gres"] == [
        {"nodes": "gpu[001-003]", "gpus": 8}
    ]
    for launcher in ("prolog", "epilog", "health"):
        assert node.try_run(f"/usr/libexec/aami-hpc/{launcher}").returncode == 0
    assert outcomes(hooks(lab, "push", status=0)) == all_of(lab, "unchanged")
    told = hooks(lab, "status", status=0)
    assert outcomes(told) == all_of(lab, "ok")
    assert told["generation"] == pushed["generation"]

    configure(lab, hooks={"keep": 2, "gres_order": "minor"})
    second = hooks(lab, "push", status=0)
    assert outcomes(hooks(lab, "rollback", "gpu001", status=0)) == {"gpu001": "switched"}
    told = hooks(lab, "status", status=1)
    assert outcomes(told) == {"gpu001": "outdated", "gpu002": "ok", "gpu003": "ok"}
    assert told["nodes"]["gpu001"]["generation"] == pushed["generation"]
    assert told["nodes"]["gpu002"]["generation"] == second["generation"]
    node.run("echo '# mine' >> /usr/libexec/aami-hpc/prolog")
    assert outcomes(hooks(lab, "status", status=1))["gpu002"] == "drift"
    assert outcomes(hooks(lab, "push", status=0)) == {
        "gpu001": "pushed",
        "gpu002": "pushed",
        "gpu003": "unchanged",
    }

    node.run("mkdir -p /var/lib/aami-hpc/journal && touch /var/lib/aami-hpc/journal/kept")
    assert outcomes(hooks(lab, "remove", status=0)) == all_of(lab, "removed")
    assert (
        node.run(
            f"ls /var/lib/aami-hpc/journal; ls -d {LIBRARY} /usr/libexec/aami-hpc 2>/dev/null || true"
        ).split()[-1]
        == "kept"
    )
    assert outcomes(hooks(lab, "status", status=1)) == all_of(lab, "nothing-there")


def test_remove_is_refused_while_slurmd_would_miss_the_prolog(lab: NodeLab) -> None:
    configure(lab)
    hooks(lab, "push", "gpu001", status=0)
    lab.head.run(
        "sed -i '1iProlog=/usr/libexec/aami-hpc/prolog' /etc/slurm/slurm.conf && scontrol reconfigure"
    )
    try:
        refused = hooks(lab, "remove", "gpu001", status=1)
    finally:
        lab.head.run("sed -i 1d /etc/slurm/slurm.conf && scontrol reconfigure")
    assert refused["refused"] == [{"parameter": "Prolog", "value": "/usr/libexec/aami-hpc/prolog"}]
    assert lab.nodes["gpu001"].try_run("/usr/libexec/aami-hpc/prolog").returncode == 0


def test_health_by_a_timer_comes_with_the_setting_and_goes_with_it(lab: NodeLab) -> None:
    configure(lab, hooks={"health": "timer"})
    assert outcomes(hooks(lab, "push", "gpu001", status=0)) == {"gpu001": "pushed"}
    node = lab.nodes["gpu001"]
    assert node.run("systemctl is-active aami-health.timer").strip() == "active"
    assert node.run("systemctl is-enabled aami-health.timer").strip() == "enabled"
    node.run("systemctl start aami-health.service")
    assert node.run("systemctl show -P Result aami-health.service").strip() == "success"
    node.run("systemctl stop aami-health.timer")
    told = hooks(lab, "status", "gpu001", status=1)
    assert told["nodes"]["gpu001"]["detail"] == "the timer does not run"
    assert outcomes(hooks(lab, "push", "gpu001", status=0)) == {"gpu001": "pushed"}
    assert node.run("systemctl is-active aami-health.timer").strip() == "active"
    configure(lab)
    hooks(lab, "push", "gpu001", status=0)
    assert node.try_run("systemctl is-active aami-health.timer").stdout.strip() == "inactive"
    assert node.try_run("systemctl cat aami-health.timer").returncode != 0


def test_each_kind_of_trouble_is_told_apart_and_the_good_node_gets_it(lab: NodeLab) -> None:
    configure(lab)
    bad, mute = lab.nodes["gpu001"], lab.nodes["gpu002"]
    bad.run("chmod -x /usr/bin/python3.11")
    try:
        with faults.silent_link(lab, mute.name):
            told = hooks(lab, "push", status=1)
    finally:
        bad.run("chmod +x /usr/bin/python3.11")
    assert outcomes(told) == {"gpu001": "no-python", "gpu002": "unreachable", "gpu003": "pushed"}
    assert "no answer in time" in told["nodes"]["gpu002"]["detail"]
    with bad.full_disk(LIBRARY):
        told = hooks(lab, "push", "gpu001", status=1)
    assert outcomes(told) == {"gpu001": "no-space"}
    with bad.read_only(LIBRARY):
        told = hooks(lab, "push", "gpu001", status=1)
    assert outcomes(told) == {"gpu001": "not-writable"}
    with mute.hung("ssh.service"):
        told = hooks(lab, "push", "gpu[001-002]", status=1)
    assert outcomes(told) == {"gpu001": "pushed", "gpu002": "unreachable"}


def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_one_in_force(lab: NodeLab) -> None:
    """Room enough for what is asked beforehand, on another file system than the launchers'."""
    configure(lab)
    node = lab.nodes["gpu001"]
    first = hooks(lab, "push", "gpu001", status=0)["generation"]
    configure(lab, hooks={"gres_order": "minor"})
    with node.full_disk("/usr/libexec/aami-hpc", "16k"):
        told = hooks(lab, "push", "gpu001", status=1)
    assert outcomes(told) == {"gpu001": "failed"}
    assert told["nodes"]["gpu001"]["generation"] == first
    assert "No space left on device" in told["nodes"]["gpu001"]["detail"]
    assert outcomes(hooks(lab, "push", "gpu001", status=0)) == {"gpu001": "pushed"}


def test_a_plug_that_is_pulled_right_after_a_push_costs_nothing(lab: NodeLab) -> None:
    configure(lab)
    node = lab.nodes["gpu003"]
    told = hooks(lab, "push", "gpu003", status=0)
    node.pull_the_plug()
    lab.boot(node)
    node.wait_ready()
    after = hooks(lab, "status", "gpu003", status=0)
    assert after["nodes"]["gpu003"]["generation"] == told["generation"]


def test_a_user_who_may_not_write_is_told_what_to_set(lab: NodeLab) -> None:
    configure(lab, ssh={"user": "ops", "connect_timeout": "8s"})
    told = hooks(lab, "push", "gpu001", status=1)
    assert outcomes(told) == {"gpu001": "not-writable"}
    assert "ssh.sudo" in told["groups"][0]["hint"]
    configure(lab, ssh={"user": "ops", "sudo": True, "connect_timeout": "8s"})
    assert outcomes(hooks(lab, "push", "gpu001", status=0)) == {"gpu001": "pushed"}
