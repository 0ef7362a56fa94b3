"""The lab's nodes are real machines to whoever logs in, apart from each other and from the world."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import faults
from tests.lab.ledger import LabError, sweep
from tests.lab.processes import Identity

if TYPE_CHECKING:
    from tests.lab.ledger import Ledger
    from tests.lab.node_fixtures import MakeNodeLab
    from tests.lab.nodes import NodeLab

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]
NAMES = ("head", "gpu001", "gpu002", "gpu003")


def answers(lab: NodeLab, command: str) -> list[str]:
    return [node.run(command).strip() for node in lab.machines]


# --- machines


def test_every_node_has_a_running_systemd_and_its_own_name(node_lab: NodeLab) -> None:
    assert answers(node_lab, "hostname") == list(NAMES)
    assert answers(node_lab, "systemctl is-system-running") == ["running"] * 4
    assert answers(node_lab, "cat /proc/1/comm") == ["systemd"] * 4


@pytest.mark.parametrize(
    "what",
    [
        "cat /etc/machine-id",
        "cat /proc/sys/kernel/random/boot_id",
        "readlink /proc/self/ns/net",
        "cat /etc/ssh/ssh_host_ed25519_key.pub",
    ],
)
def test_nodes_share_no_identity(node_lab: NodeLab, what: str) -> None:
    assert len(set(answers(node_lab, what))) == 4


def test_what_one_node_writes_no_other_sees_and_the_tree_stays_clean(node_lab: NodeLab) -> None:
    node_lab.nodes["gpu001"].run("echo mine > /usr/bin/mine && rm /usr/bin/python3")
    try:
        assert answers(node_lab, "test -e /usr/bin/mine && echo yes || echo no") == ["no", "yes", "no", "no"]
        assert node_lab.nodes["gpu002"].run("python3 -c 'print(1)'") == "1\n"
    finally:
        node_lab.nodes["gpu001"].run("rm /usr/bin/mine; ln -s python3.11 /usr/bin/python3")


def test_stopping_a_service_stops_it_on_one_node_only(node_lab: NodeLab) -> None:
    node = node_lab.nodes["gpu001"]
    began = time.monotonic()
    with node.stopped("dbus.socket"), node.stopped("dbus.service"):
        assert node.try_run("systemctl is-active dbus.service").stdout == "inactive\n"
        assert node_lab.nodes["gpu002"].run("systemctl is-active dbus.service") == "active\n"
    assert time.monotonic() - began < 30, "a stop waited for another node's processes"
    assert node.run("systemctl is-active dbus.service") == "active\n"


def test_a_hardened_unit_starts(node_lab: NodeLab) -> None:
    wishes = ("DynamicUser=yes", "ProtectSystem=strict", "PrivateTmp=yes", "NoNewPrivileges=yes")
    options = " ".join(f"-p {wish}" for wish in (*wishes, "RestrictAddressFamilies=AF_UNIX"))
    said = node_lab.nodes["gpu001"].run(f"systemd-run --quiet --pipe --wait {options} id -un")
    assert said.startswith("run-")


def test_a_service_of_a_node_fails_loudly(node_lab: NodeLab) -> None:
    node = node_lab.nodes["gpu003"]
    assert node.try_run("systemd-run --quiet --wait --unit=bad false").returncode != 0
    assert node.run("systemctl is-system-running || true") == "degraded\n"
    node.run("systemctl reset-failed")
    assert node.run("systemctl is-system-running") == "running\n"


def test_a_reboot_is_a_reboot(make_node_lab: MakeNodeLab) -> None:
    lab = make_node_lab(nodes=("gpu001",))
    node = lab.nodes["gpu001"]
    before = node.run("cat /proc/sys/kernel/random/boot_id; touch /root/stays /run/goes")
    node.reboot()
    assert node.run("cat /proc/sys/kernel/random/boot_id") != before
    assert node.run("ls /root; ls /run/goes 2>/dev/null || echo gone") == "stays\ngone\n"
    node.pull_the_plug()
    with pytest.raises(LabError, match=r"No route to host|timed out"):
        node.run("true")
    lab.boot(node)
    node.wait_ready()
    assert node.run("ls /root") == "stays\n"


# --- people


def test_an_administrator_may_use_sudo_and_a_guest_may_not(node_lab: NodeLab) -> None:
    node = node_lab.nodes["gpu001"]
    assert node.run("sudo -n id -un", user="ops") == "root\n"
    refused = node.try_run("sudo -n id -un", user="guest")
    assert refused.returncode == 1
    assert "a password is required" in refused.stderr


def test_an_account_without_a_shell_says_so(node_lab: NodeLab) -> None:
    refused = node_lab.nodes["gpu001"].try_run("true", user="noshell")
    assert refused.returncode == 1
    assert "not available" in refused.stdout


# --- the product


def test_the_command_of_this_checkout_runs_on_the_lab_network_and_on_the_head(node_lab: NodeLab) -> None:
    version = node_lab.product("--version").stdout
    assert version.startswith("aami-hpc ")
    assert node_lab.head_product("--version").stdout == version


# --- start and end


def test_four_machines_boot_in_time_beside_others_and_leave_nothing(
    node_lab: NodeLab, make_node_lab: MakeNodeLab
) -> None:
    began = time.monotonic()
    second = make_node_lab()
    assert time.monotonic() - began < 30
    leaders = [Identity.of(node.leader) for node in second.machines]
    tag = second.network.tag
    assert tag != node_lab.network.tag
    assert traces(tag)
    assert {node.address for node in second.machines} == {node.address for node in node_lab.machines}
    second.nodes["gpu001"].run("touch /root/second")
    assert node_lab.nodes["gpu001"].run("ls /root") == ""
    second.close()
    assert not any(leader and leader.alive for leader in leaders)
    assert traces(tag) == []
    assert answers(node_lab, "hostname") == list(NAMES)


_BOOT_AND_WAIT = """
import time
from tests.lab.ledger import Ledger
from tests.lab.nodes import NodeLab
with Ledger("killed") as ledger, NodeLab(ledger, nodes=("gpu001",)) as lab:
    print(lab.network.tag, *(node.leader for node in lab.machines), flush=True)
    time.sleep(300)
"""


def test_a_killed_run_is_swept_with_all_that_ran_inside_its_nodes(lab_ledger: Ledger) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", _BOOT_AND_WAIT], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    with runner:
        assert runner.stdout is not None
        tag, *pids = runner.stdout.readline().split()
        runner.send_signal(signal.SIGKILL)
    inside = [Identity.of(int(pid)) for pid in pids]
    assert all(process and process.alive for process in inside), "nodes outlive their runner"
    assert processes_with(tag)
    sweep()  # another run may be sweeping, too: it may have been faster
    for process in inside:
        if process:
            faults.wait_for_state(process.pid, "")
    assert processes_with(tag) == []
    assert traces(tag) == []


def test_a_killed_systemd_nspawn_takes_nothing_with_it_that_is_not_ended(make_node_lab: MakeNodeLab) -> None:
    lab = make_node_lab(nodes=())
    first, tag = Identity.of(lab.head.leader), lab.network.tag
    keeper = int(Path(f"/proc/{lab.head.leader}/status").read_text().partition("PPid:")[2].split()[0])
    os.kill(keeper, signal.SIGKILL)
    faults.wait_for_state(keeper, "")
    lab.close()
    assert first is not None
    assert not first.alive
    assert processes_with(tag) == []
    assert traces(tag) == []


def processes_with(tag: str) -> list[str]:
    """Every process, in any container, that lives in a group of this lab."""
    return [
        str(path)
        for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd"))
        for path in root.glob(f"{tag}-*/**/cgroup.procs")
        if path.read_text()
    ]


def traces(tag: str) -> list[str]:
    """What a lab with this tag has left on the machine: namespaces, names, mounts, groups."""
    places = ("/run/netns", "/etc/netns", "/run/systemd/nspawn/propagate", "/sys/fs/cgroup")
    patterns = (f"{tag}*", f"*/{tag}*")
    found = [str(path) for place in places for pattern in patterns for path in Path(place).glob(pattern)]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if tag in line]
    return found


def test_people_get_nodes_with_one_command_and_the_words_to_reach_them() -> None:
    command = [sys.executable, "-m", "tests.lab", "nodes", "--nodes=1"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            lines = [running.stdout.readline() for _ in range(3)]
            assert lines[0].startswith("head, gpu001 are up.")
            to_gpu001 = [*shlex.split(lines[2])[:-1], "gpu001", "hostname"]
            said = subprocess.run(to_gpu001, capture_output=True, text=True, check=False, timeout=60)
            assert said.stdout == "gpu001\n", said.stderr
        finally:
            running.terminate()
        assert running.wait(60) == 0
    assert traces(to_gpu001[3].removesuffix("-lab")) == []
