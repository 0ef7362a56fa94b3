"""Through other hosts: one shared connection to a jump host, whatever is behind it; proxy programs; throttled logins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.io.ssh import Kind, Target
from aami_hpc.io.ssh.limits import THROUGH_ONE
from aami_hpc.testing.sshd import SshNode, make_key, make_keys, ssh_node
from tests.io.ssh_support import many, one, script, target, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aami_hpc.io.ssh import SshOptions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SshNode, SshNode]]:
    """A bastion that drops logins like a site's own, and hosts behind it."""
    keys = make_keys(tmp_path_factory.mktemp("keys"))
    with (
        ssh_node(keys=keys, options={"MaxStartups": "1:100:1"}) as bastion,
        ssh_node(ports=16, keys=keys) as behind,
    ):
        yield bastion, behind


def through(
    folder: Path, bastion: SshNode, *behind: SshNode, config: str = "", **changes: object
) -> SshOptions:
    """The jump host is named in the ssh configuration, with a user, port and key of its own."""
    text = f"""
Host bastion
    HostName {bastion.address}
    Port {bastion.port}
    IdentityFile {bastion.keys.client}
{config}
"""
    chosen: dict[str, Any] = {"proxy_jump": "bastion", **changes}
    options = world(folder, bastion, *behind, config=text, **chosen)
    assert options.known_hosts is not None
    with options.known_hosts.open("a") as stream:
        for one in behind:
            stream.write(one.known_hosts(*(f"gpu-{number}" for number in range(16))))
        stream.write(bastion.known_hosts("bastion"))
    return options


def test_all_hosts_share_one_connection_to_the_jump_host(
    nodes: tuple[SshNode, SshNode], tmp_path: Path
) -> None:
    bastion, behind = nodes
    before = bastion.log.count("Accepted publickey")
    hosts = [Target(f"gpu-{number}", behind.address, port) for number, port in enumerate(behind.ports)]
    outcomes, _ = many(through(tmp_path, bastion, behind), hosts, tmp_path, script("echo $SSH_CONNECTION"))
    assert {outcome.kind for outcome in outcomes.values()} == {Kind.OK}
    assert bastion.log.count("Accepted publickey") == before + 1


def test_jump_hosts_in_a_row(nodes: tuple[SshNode, SshNode], tmp_path: Path) -> None:
    bastion, behind = nodes
    with ssh_node(keys=bastion.keys) as inner:
        config = f"Host inner\n  HostName {inner.address}\n  Port {inner.port}\n"
        options = through(tmp_path, bastion, behind, config=config)
        assert options.known_hosts is not None
        with options.known_hosts.open("a") as stream:
            stream.write(inner.known_hosts("inner"))
        chain = replace(options, proxy_jump="bastion,inner")
        assert one(chain, target(behind, "gpu-0"), tmp_path).ok
        assert "Accepted publickey" in inner.log


def test_a_jump_host_of_the_ssh_configuration(nodes: tuple[SshNode, SshNode], tmp_path: Path) -> None:
    bastion, behind = nodes
    options = through(tmp_path, bastion, behind, config="Host gpu-*\n  ProxyJump bastion\n")
    plain = replace(options, proxy_jump="")
    before = bastion.log.count("Accepted publickey")
    assert one(plain, target(behind, "gpu-0"), tmp_path).ok
    assert bastion.log.count("Accepted publickey") == before + 1


def test_the_jump_host_itself_is_reached_directly(nodes: tuple[SshNode, SshNode], tmp_path: Path) -> None:
    bastion, behind = nodes
    assert one(through(tmp_path, bastion, behind), Target("bastion"), tmp_path).ok


def test_trouble_with_the_jump_host_names_it_and_is_met_once(tmp_path: Path) -> None:
    with ssh_node() as bastion, ssh_node(ports=4) as behind:
        options = through(tmp_path, bastion, behind, identity_files=(make_key(tmp_path / "wrong"),))
        hosts = [Target(f"gpu-{number}", behind.address, port) for number, port in enumerate(behind.ports)]
        outcomes, _ = many(options, hosts, tmp_path)
        assert {(outcome.kind, outcome.detail) for outcome in outcomes.values()} == {
            (Kind.AUTHENTICATION, "Jump host bastion: No key was accepted")
        }
        assert bastion.log.count("Connection from") == 1


@pytest.mark.parametrize(
    ("address", "kind"), [("127.0.0.1", Kind.REFUSED), ("gpu-001.invalid", Kind.NAME_UNKNOWN)]
)
def test_what_the_jump_host_can_not_reach(
    nodes: tuple[SshNode, SshNode], tmp_path: Path, address: str, kind: Kind
) -> None:
    bastion, behind = nodes
    found = one(through(tmp_path, bastion, behind), Target("gpu-0", address, 1), tmp_path)
    assert found.kind is kind
    assert found.detail.startswith("The jump host says:")


def test_a_jump_host_that_forbids_it(tmp_path: Path) -> None:
    with ssh_node(options={"AllowTcpForwarding": "no"}) as bastion, ssh_node() as behind:
        found = one(through(tmp_path, bastion, behind), target(behind, "gpu-0"), tmp_path)
    assert (found.kind, found.detail) == (
        Kind.REFUSED,
        "The jump host forbids forwarding (AllowTcpForwarding, PermitOpen)",
    )


def test_jump_hosts_in_a_circle(tmp_path: Path) -> None:
    options = world(
        tmp_path, config="Host a\n  ProxyJump b\nHost b\n  ProxyJump a\nHost gpu-*\n  ProxyJump a\n"
    )
    found = one(options, Target("gpu-0"), tmp_path)
    assert found.kind is Kind.NAME_UNKNOWN
    assert found.detail.endswith("lead in a circle")


def test_logins_through_a_proxy_program_are_throttled(nodes: tuple[SshNode, SshNode], tmp_path: Path) -> None:
    """Here every host means a login on the bastion, and sshd drops the ninth at once."""
    _, behind = nodes
    with ssh_node(keys=behind.keys, options={"MaxStartups": f"{THROUGH_ONE}:100:{THROUGH_ONE}"}) as bastion:
        command = (
            f"ssh -F none -i {bastion.keys.client} -p {bastion.port} -o UserKnownHostsFile={tmp_path}/known_hosts "
            f"-W %h:%p {bastion.address}"
        )
        options = through(
            tmp_path, bastion, behind, config=f"Host gpu-*\n  ProxyCommand {command}\n", proxy_jump=""
        )
        hosts = [Target(f"gpu-{number}", behind.address, port) for number, port in enumerate(behind.ports)]
        outcomes, _ = many(options, hosts, tmp_path)
        assert {(outcome.kind, outcome.detail) for outcome in outcomes.values()} == {(Kind.OK, "")}
        assert bastion.log.count("Accepted publickey") == 16


def test_a_proxy_program_that_fails_says_why(nodes: tuple[SshNode, SshNode], tmp_path: Path) -> None:
    bastion, behind = nodes
    config = "Host gpu-*\n  ProxyCommand sh -c 'echo no way to %h >&2; exit 1'\n"
    found = one(
        through(tmp_path, bastion, behind, config=config, proxy_jump=""), target(behind, "gpu-0"), tmp_path
    )
    assert (found.kind, found.detail) == (Kind.CONNECTION_LOST, "The proxy program says: no way to 127.0.0.1")
