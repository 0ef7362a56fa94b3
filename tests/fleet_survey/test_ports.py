"""Ports we would use: free, held by whom, and what can't be seen."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from aami_hpc.fleet.survey import claims, ports
from aami_hpc.fleet.survey.processes import processes
from aami_hpc.fleet.survey.software import Port, Software, known
from aami_hpc.fleet.survey.tree import Tree
from aami_hpc.fleet.survey.world import World
from tests.fleet_survey.support import ANN, PROMETHEUS

if TYPE_CHECKING:
    from aami_hpc.fleet.survey.claims import Claim
    from tests.fleet_survey.support import Root


def claim(world: World, port: int) -> Claim:
    listening = ports.listeners(world.tree)
    found = claims.claims(world, known(), listening, processes(world.tree).seen)
    return next(one for one in found if one.port == port)


def test_a_port_nobody_listens_on_is_free(root: Root) -> None:
    found = claim(root.world(), 9090)
    assert (found.state, found.holder, found.source) == ("free", "", "/proc/net/tcp")


def test_a_port_held_by_what_we_would_put_there(root: Root) -> None:
    root.process(812, "prometheus", "/usr/bin/prometheus", sockets={7: 4242})
    root.listen(9090, inode=4242, uid=PROMETHEUS)
    found = claim(root.world(uid=0), 9090)
    assert found.holder == "prometheus (pid 812, user prometheus)"
    assert found.same
    assert found.address == "all addresses"
    assert found.source == "/proc/812/fd"


def test_a_port_held_by_something_else(root: Root) -> None:
    root.process(9, "prometheus", "/home/ann/mine", sockets={3: 77})
    root.listen(9090, inode=77, uid=ANN, address="0100007F")
    found = claim(root.world(), 9090)
    assert found.holder == "mine (pid 9, user ann)"
    assert not found.same
    assert found.address == "127.0.0.1"


def test_an_ordinary_user_learns_whose_process_it_is(root: Root) -> None:
    root.process(812, "prometheus")
    root.listen(9090, inode=4242, uid=PROMETHEUS)
    found = claim(root.world(), 9090)
    assert found.holder == "a process of another user (uid 990, user prometheus)"
    assert found.as_dict()["uid"] == 990
    assert found.as_dict()["pid"] is None


def test_a_process_out_of_sight_is_not_called_another_user(root: Root) -> None:
    root.listen(9090, inode=4242, uid=0)
    assert (
        claim(root.world(uid=0), 9090).holder == "a process that can't be seen from here (uid 0, user root)"
    )


@pytest.mark.skipif(sys.byteorder != "little", reason="the addresses below are in little-endian words")
def test_ipv6_addresses_and_garbage_lines() -> None:
    table = (
        "  sl  local_address                         remote_address                        st\n"
        "   0: 00000000000000000000000001000000:2384 0:0 0A 0:0 00:0 0 0 0 11 1 0\n"
        "   1: 00000000000000000000000000000000:0050 0:0 0A 0:0 00:0 0 33 0 12 1 0\n"
        "   2: ZZ:0050 0:0 0A 0:0 00:0 0 33 0 12 1 0\n"
        "   3: 0100:0050 0:0 0A 0:0 00:0 0 33 0 12 1 0\n"
        "   4: 0100007F:0050 0:0 01 0:0 00:0 0 33 0 13 1 0\n"
        "\x1b]0;title\x07 :: 0A\n"
    )
    found = ports.parse(table, "/proc/net/tcp6")
    assert [(one.address, one.port, one.uid, one.inode) for one in found] == [
        ("::1", 9092, 0, 11),
        ("::", 80, 33, 12),
    ]


def test_no_socket_table_is_unknown_not_free(root: Root) -> None:
    root.remove("/proc/net/tcp")
    root.remove("/proc/net/tcp6")
    found = claim(root.world(), 9090)
    assert (found.state, found.holder) == ("unknown", "not there")
    assert {gap.source for gap in ports.listeners(root.world().tree).unknown} == {
        "/proc/net/tcp",
        "/proc/net/tcp6",
    }


def test_a_kernel_without_ipv6_is_no_gap(root: Root) -> None:
    root.remove("/proc/net/tcp6")
    assert ports.listeners(root.world().tree).unknown == ()


def test_a_port_this_process_holds_is_found_on_the_real_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        mine = (Software("Ours", "test", processes=(), ports=(Port(port, "a test", "head"),)),)
        world = World(tree=Tree())
        (found,) = claims.claims(world, mine, ports.listeners(world.tree), processes(world.tree).seen)
    assert found.pid == os.getpid()
    assert found.uid == os.getuid()
    assert found.address == "127.0.0.1"
