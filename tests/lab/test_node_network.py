"""The nodes' network: they see each other and nothing else, and every way it breaks is a real one."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.lab import faults

if TYPE_CHECKING:
    from tests.lab.nodes import NodeLab

pytestmark = pytest.mark.lab


def test_nodes_reach_each_other_by_name_and_the_head_may_log_in(node_lab: NodeLab) -> None:
    assert node_lab.head.run("ssh -o BatchMode=yes gpu002 hostname") == "gpu002\n"
    assert node_lab.nodes["gpu001"].run("ping -c 1 -W 5 gpu003 >/dev/null && echo yes") == "yes\n"
    known = node_lab.exec(["getent", "hosts", "gpu003"]).stdout.split()
    assert known == [node_lab.nodes["gpu003"].address, "gpu003"]


_TRY_TO_GET_OUT = """
import socket
for place in ("192.0.2.2", "1.1.1.1", "2001:db8::1"):
    try:
        socket.create_connection((place, 53), timeout=5)
    except OSError as error:
        print(error.strerror)
try:
    socket.getaddrinfo("deb.debian.org", 80)
except OSError as error:
    print(type(error).__name__)
"""


def test_there_is_no_way_out(node_lab: NodeLab) -> None:
    nowhere = "Network is unreachable\n" * 3 + "gaierror\n"
    for node in node_lab.machines:
        assert node.run(f"python3 -c {shlex.quote(_TRY_TO_GET_OUT)}") == nowhere
        assert node.run("ip route show default; ip -6 route show default") == ""
    assert node_lab.exec([sys.executable, "-c", _TRY_TO_GET_OUT]).stdout == nowhere


def test_nothing_of_it_shows_in_the_network_of_this_machine(node_lab: NodeLab) -> None:
    links = subprocess.run(["ip", "-oneline", "address"], capture_output=True, text=True, check=True).stdout
    assert node_lab.network.tag not in links
    assert "10.77." not in links


def test_interface_names_are_short_and_carry_the_mark(node_lab: NodeLab) -> None:
    links = node_lab.exec(["ip", "-brief", "link"]).stdout.splitlines()
    names = [line.split()[0].partition("@")[0] for line in links]
    assert all(name == "lo" or name.startswith(node_lab.network.tag) for name in names)
    assert all(len(name) <= 15 for name in names)


def test_a_cut_link_is_no_route_and_only_for_that_node(node_lab: NodeLab) -> None:
    with faults.cut_link(node_lab, "gpu001"):
        assert "No route to host" in node_lab.nodes["gpu001"].try_run("true").stderr
        assert node_lab.nodes["gpu002"].run("hostname") == "gpu002\n"
    assert node_lab.nodes["gpu001"].run("hostname") == "gpu001\n"


def test_no_route_is_said_at_once(node_lab: NodeLab) -> None:
    with faults.no_route(node_lab, "gpu001"):
        assert "No route to host" in node_lab.nodes["gpu001"].try_run("true").stderr
    assert node_lab.nodes["gpu001"].run("hostname") == "gpu001\n"


def test_a_silent_link_is_a_timeout(node_lab: NodeLab) -> None:
    node = node_lab.nodes["gpu001"]
    with faults.silent_link(node_lab, "gpu001"):
        done = node_lab.exec(["ssh", "-o", "ConnectTimeout=2", *node.ssh_argv("true")[1:]])
        assert "timed out" in done.stderr
    assert node.run("hostname") == "gpu001\n"


def test_a_changed_host_key_is_noticed(node_lab: NodeLab) -> None:
    with faults.changed_host_key(node_lab, "gpu001") as key:
        refused = node_lab.nodes["gpu001"].try_run("true")
        assert "Host key verification failed" in refused.stderr
        shown = node_lab.exec(["ssh-keyscan", "-t", "ed25519", node_lab.nodes["gpu001"].address])
        assert key in shown.stdout
    assert node_lab.nodes["gpu001"].run("hostname") == "gpu001\n"


def test_without_sshd_the_connection_is_refused(node_lab: NodeLab) -> None:
    node = node_lab.nodes["gpu001"]
    with node.stopped("ssh.service"):
        assert "Connection refused" in node.try_run("true").stderr
    assert node.run("hostname") == "gpu001\n"


def test_a_full_disk_on_a_node(node_lab: NodeLab) -> None:
    node = node_lab.nodes["gpu001"]
    with node.full_disk("/var/lib/aami-hpc"):
        assert "No space left" in node.try_run("echo x > /var/lib/aami-hpc/x").stderr
    assert node.run("echo x > /var/lib/aami-hpc/x; rm /var/lib/aami-hpc/x") == ""


def test_a_read_only_disk_on_a_node(node_lab: NodeLab) -> None:
    node = node_lab.nodes["gpu001"]
    with node.read_only("/var/lib/aami-hpc"):
        assert "Read-only file system" in node.try_run("echo x > /var/lib/aami-hpc/x").stderr
    assert node.run("echo x > /var/lib/aami-hpc/x; rm /var/lib/aami-hpc/x") == ""
