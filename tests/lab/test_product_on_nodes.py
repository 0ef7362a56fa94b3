"""`aami-hpc` against real nodes: from the lab's network with a configuration, and on the head node with Slurm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab import faults

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.lab.nodes import NodeLab

pytestmark = pytest.mark.lab


def configuration(lab: NodeLab, path: Path, **ssh: Any) -> Path:
    """A configuration that knows the lab's nodes by their addresses and nothing of any Slurm."""
    settings = {
        "user": "root",
        "identity_files": [str(lab.identity)],
        "known_hosts": str(lab.known_hosts),
        "config_file": "/dev/null",
        **ssh,
    }
    nodes = {node.name: {"address": node.address} for node in lab.nodes.values()}
    slurm = {"bin_dir": str(path.parent / "no-slurm")}
    path.write_text(yaml.safe_dump({"ssh": settings, "nodes": nodes, "slurm": slurm}))
    return path


def outcomes(done: CompletedProcess[str]) -> dict[str, str]:
    assert done.stdout, done.stderr
    return {name: one["outcome"] for name, one in json.loads(done.stdout)["nodes"].items()}


def test_three_nodes_that_work(node_lab: NodeLab, tmp_path: Path) -> None:
    config = configuration(node_lab, tmp_path / "config.yaml")
    done = node_lab.product("--config", str(config), "nodes", "test", "--json")
    assert outcomes(done) == dict.fromkeys(node_lab.nodes, "ok")
    assert done.returncode == 0
    facts = json.loads(done.stdout)["nodes"]["gpu002"]["facts"]
    assert facts["hostname"] == "gpu002"
    assert facts["uid"] == 0
    assert facts["python_version"].startswith("3.")


def test_a_cut_link_a_changed_key_and_a_good_node_are_told_apart(node_lab: NodeLab, tmp_path: Path) -> None:
    config = configuration(node_lab, tmp_path / "config.yaml", connect_timeout="8s")
    with faults.cut_link(node_lab, "gpu001"), faults.changed_host_key(node_lab, "gpu002"):
        done = node_lab.product("--config", str(config), "nodes", "test", "--json")
        shown = node_lab.product("--config", str(config), "nodes", "test")
    assert outcomes(done) == {"gpu001": "no-route", "gpu002": "host-key-changed", "gpu003": "ok"}
    assert done.returncode == 1
    assert shown.returncode == 1
    for word in ("gpu001", "no route", "gpu002", "key", "gpu003"):
        assert word in shown.stdout


def test_refused_silent_and_unknown_hosts_are_told_apart(node_lab: NodeLab, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    lines = node_lab.known_hosts.read_text().splitlines(keepends=True)
    known.write_text("".join(line for line in lines if not line.startswith("gpu003,")))
    config = configuration(node_lab, tmp_path / "config.yaml", known_hosts=str(known), connect_timeout="3s")
    with node_lab.nodes["gpu001"].stopped("ssh.service"), faults.silent_link(node_lab, "gpu002"):
        done = node_lab.product("--config", str(config), "nodes", "test", "--json")
    assert outcomes(done) == {"gpu001": "refused", "gpu002": "timeout", "gpu003": "host-key-unknown"}
    assert "gpu003" not in known.read_text(), "an unknown key is never remembered unasked"


def test_a_new_key_is_remembered_when_that_is_asked_for(node_lab: NodeLab, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.touch()
    config = configuration(node_lab, tmp_path / "config.yaml", known_hosts=str(known))
    asked = ("--config", str(config), "nodes", "test", "gpu003", "--json")
    assert outcomes(node_lab.product(*asked, "--accept-new-host-keys")) == {"gpu003": "ok"}
    assert node_lab.nodes["gpu003"].host_key in known.read_text()
    assert outcomes(node_lab.product(*asked)) == {"gpu003": "ok"}


def test_on_the_head_the_nodes_come_from_slurm_and_policy_is_told_apart(node_lab_slurm: NodeLab) -> None:
    lab = node_lab_slurm
    users = {"gpu001": "ops", "gpu002": "noshell", "gpu003": "guest"}
    nodes = {name: {"ssh_user": user} for name, user in users.items()}
    lab.head.write("/etc/aami-hpc/config.yaml", yaml.safe_dump({"ssh": {"sudo": True}, "nodes": nodes}))
    try:
        with lab.nodes["gpu001"].only_with_a_job():
            done = lab.head_product("nodes", "test", "--json")
    finally:
        lab.head.run("rm /etc/aami-hpc/config.yaml")
    assert outcomes(done) == {
        "gpu001": "pam-slurm-adopt",
        "gpu002": "no-shell",
        "gpu003": "sudo-refused",
    }


def test_on_the_head_no_configuration_is_needed(node_lab_slurm: NodeLab) -> None:
    done = node_lab_slurm.head_product("nodes", "test", "--json")
    assert outcomes(done) == dict.fromkeys(node_lab_slurm.nodes, "ok")
    listed = node_lab_slurm.head_product("nodes", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert all(name in listed.stdout for name in node_lab_slurm.nodes)


def test_an_sshd_that_hangs_does_not_hang_us(node_lab: NodeLab, tmp_path: Path) -> None:
    config = configuration(node_lab, tmp_path / "config.yaml", connect_timeout="3s")
    node = node_lab.nodes["gpu001"]
    with node.hung("ssh.service"):
        done = node_lab.product("--config", str(config), "nodes", "test", "--json", timeout=90)
    assert outcomes(done) == {"gpu001": "timeout", "gpu002": "ok", "gpu003": "ok"}
