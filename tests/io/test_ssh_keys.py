"""Keys: from files, with passphrases, from a real agent, as the ssh configuration orders it."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aami_hpc.errors import SshAuthentication
from aami_hpc.io.ssh import Kind
from aami_hpc.testing.sshd import SshNode, make_key, ssh_node
from tests.io.ssh_support import many, one, target, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aami_hpc.io.ssh import SshOptions

pytestmark = pytest.mark.slow


@contextmanager
def agent(folder: Path, *keys: Path) -> Iterator[str]:
    """A real ssh-agent that holds these keys."""
    socket = folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as process:
        try:
            while not socket.exists():
                assert process.poll() is None
            for key in keys:
                env = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
                subprocess.run(["ssh-add", "-q", key], env=env, check=True, stdin=subprocess.DEVNULL)
            yield str(socket)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def node() -> Iterator[SshNode]:
    with ssh_node() as started:
        yield started


def with_agent(options: SshOptions, socket: str, *more: str) -> SshOptions:
    assert options.config_file is not None
    options.config_file.write_text(
        "\n".join([f"IdentityAgent {socket}", *more, "GlobalKnownHostsFile none\n"])
    )
    return replace(options, identity_files=())


def test_a_key_of_the_agent(node: SshNode, tmp_path: Path) -> None:
    with agent(tmp_path, node.keys.client) as socket:
        assert one(with_agent(world(tmp_path, node), socket), target(node), tmp_path).ok


def test_identities_only_offers_nothing_else_of_the_agent(node: SshNode, tmp_path: Path) -> None:
    wrong = make_key(tmp_path / "wrong")
    options = world(tmp_path, node)
    with agent(tmp_path, wrong, node.keys.client) as socket:
        only = with_agent(options, socket, "IdentitiesOnly yes", f"IdentityFile {wrong}")
        assert one(only, target(node), tmp_path).kind is Kind.AUTHENTICATION
        named = with_agent(options, socket, "IdentitiesOnly yes", f"IdentityFile {node.keys.client}.pub")
        assert one(named, target(node), tmp_path).ok  # the public half picks the key in the agent


def test_an_agent_that_is_gone_is_said_once(node: SshNode, tmp_path: Path) -> None:
    options = replace(
        with_agent(world(tmp_path, node), f"{tmp_path}/gone"), identity_files=(node.keys.client,)
    )
    outcomes, remarks = many(options, [target(node, "127.0.0.1")], tmp_path)
    assert outcomes["127.0.0.1"].ok
    assert [remark.partition(": ")[0] for remark in remarks] == [
        f"The ssh agent at {tmp_path}/gone does not answer"
    ]


def test_keys_of_the_ssh_configuration_and_of_the_home_directory(node: SshNode, tmp_path: Path) -> None:
    options = replace(world(tmp_path, node, config=f"IdentityFile {node.keys.client}"), identity_files=())
    assert one(options, target(node), tmp_path).ok
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").write_bytes(node.keys.client.read_bytes())
    options = replace(world(tmp_path, node), identity_files=())
    assert one(options, target(node), tmp_path).ok


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_keys(tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path / "key", kind=kind)
    with ssh_node(authorized=(tmp_path / "key.pub").read_text()) as node:
        assert one(world(tmp_path, node, identity_files=(key,)), target(node), tmp_path).ok


def test_a_certificate_beside_the_key(tmp_path: Path) -> None:
    authority, key = make_key(tmp_path / "ca"), make_key(tmp_path / "key")
    with ssh_node(options={"TrustedUserCAKeys": f"{authority}.pub"}, authorized="") as node:
        subprocess.run(
            ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", node.user, f"{key}.pub"], check=True
        )
        assert one(world(tmp_path, node, identity_files=(key,)), target(node), tmp_path).ok


def test_a_passphrase(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", passphrase="open sesame")
    with ssh_node(authorized=(tmp_path / "key.pub").read_text()) as node:
        options = world(tmp_path, node, identity_files=(key,), key_passphrase="open sesame")
        assert one(options, target(node), tmp_path).ok
        assert "open sesame" not in repr(options)
        with pytest.raises(SshAuthentication, match="Its passphrase is not the one"):
            one(replace(options, key_passphrase="wrong"), target(node), tmp_path)
        with pytest.raises(SshAuthentication, match="It has a passphrase"):
            one(replace(options, key_passphrase=""), target(node), tmp_path)


def test_a_default_key_with_a_passphrase_is_left_to_the_agent(node: SshNode, tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    make_key(tmp_path / ".ssh" / "id_ed25519", passphrase="open sesame")
    options = replace(world(tmp_path, node), identity_files=())
    outcomes, remarks = many(options, [target(node)], tmp_path)
    assert outcomes["gpu-001"].kind is Kind.AUTHENTICATION
    told = f"{tmp_path}/.ssh/id_ed25519 is not used: It has a passphrase. Add it to the agent"
    assert [remark.partition(" (")[0] for remark in remarks] == [told]


def test_one_look_at_the_keys_serves_all_hosts(tmp_path: Path) -> None:
    with ssh_node(ports=8) as node, agent(tmp_path, node.keys.client) as socket:
        hosts = [target(node, "127.0.0.1", port) for port in node.ports]
        outcomes, _ = many(with_agent(world(tmp_path, node), socket), hosts, tmp_path)
    assert all(outcome.ok for outcome in outcomes.values())
