"""Logging in to a real sshd: each way it can fail is told apart, and host keys are checked without exception."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aami_hpc.errors import SshAuthentication, SshError, SshHostKey, SshUnreachable
from aami_hpc.io.ssh import Kind, SshOptions, Target
from aami_hpc.testing.sshd import SshNode, make_key, make_keys, ssh_node
from tests.io.ssh_support import many, one, talker, target, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node() -> Iterator[SshNode]:
    with ssh_node(options={"Banner": "/etc/hostname"}) as started:
        yield started


def test_a_good_login(node: SshNode, tmp_path: Path) -> None:
    found = one(world(tmp_path, node), target(node), tmp_path)
    assert (found.kind, found.text, found.detail, found.noise) == (Kind.OK, "hello\n", "", b"")
    assert found.check() is found
    assert 0 < found.seconds < 20


# --- no connection ----------------------------------------------------------------------------------------


def test_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = one(SshOptions(), Target("gpu-001", "127.0.0.1", port), tmp_path)
    assert (found.kind, found.detail) == (Kind.REFUSED, "")
    with pytest.raises(SshUnreachable, match=r"gpu-001: connection refused\. The machine is up"):
        found.check()


def test_a_host_that_accepts_and_never_speaks(tmp_path: Path) -> None:
    with talker(hold=True) as port:
        found = one(SshOptions(connect_timeout=0.5), Target("gpu-001", "127.0.0.1", port), tmp_path)
    assert (found.kind, found.detail) == (Kind.TIMEOUT, "While exchanging keys")


def test_a_name_without_address(tmp_path: Path) -> None:
    found = one(SshOptions(), Target("gpu-001.invalid"), tmp_path)
    assert found.kind is Kind.NAME_UNKNOWN
    assert found.detail


def test_a_host_that_hangs_up(tmp_path: Path) -> None:
    with talker(b"Exceeded MaxStartups\r\n") as port:
        found = one(SshOptions(), Target("gpu-001", "127.0.0.1", port), tmp_path)
    assert found.kind is Kind.CONNECTION_LOST


@pytest.mark.parametrize(
    "says", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 2000, b"SSH-2.0-x\r\n\0\0\0\x0c\0garbage-garbage" * 9]
)
def test_a_host_that_speaks_something_else(tmp_path: Path, says: bytes) -> None:
    with talker(says, hold=True) as port:
        found = one(SshOptions(connect_timeout=2), Target("gpu-001", "127.0.0.1", port), tmp_path)
    assert found.kind in {Kind.CONNECTION_LOST, Kind.TIMEOUT}


# --- host keys --------------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_refused_with_its_fingerprint(node: SshNode, tmp_path: Path) -> None:
    options = world(tmp_path, known_hosts=tmp_path / "none", identity_files=(node.keys.client,))
    found = one(options, target(node), tmp_path)
    assert (found.kind, found.detail) == (Kind.HOST_KEY_UNKNOWN, "No key is known for it")
    assert found.evidence.startswith("ssh-ed25519 SHA256:")
    assert not (tmp_path / "none").exists()
    with pytest.raises(SshHostKey, match="SHA256:"):
        found.check()


def test_switching_the_check_off_in_the_ssh_configuration_changes_nothing(
    node: SshNode, tmp_path: Path
) -> None:
    off = "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n"
    options = world(tmp_path, config=off, known_hosts=None, identity_files=(node.keys.client,))
    outcomes, remarks = many(options, [target(node)], tmp_path)
    assert outcomes["gpu-001"].kind is Kind.HOST_KEY_UNKNOWN
    assert len(remarks) == 2


def test_a_new_key_is_accepted_only_when_told_and_then_kept(node: SshNode, tmp_path: Path) -> None:
    known = tmp_path / "folder" / "known_hosts"
    options = world(tmp_path, known_hosts=known, identity_files=(node.keys.client,))
    assert one(replace(options, accept_new_host_keys=True), target(node), tmp_path).ok
    assert known.read_text() == f"[gpu-001]:{node.port},[127.0.0.1]:{node.port} {node.keys.host_public}\n"
    assert one(options, target(node), tmp_path).ok
    assert one(replace(options, accept_new_host_keys=True), target(node), tmp_path).ok
    assert known.read_text().count("\n") == 1


def test_a_new_key_is_kept_even_if_the_login_fails_after_it(node: SshNode, tmp_path: Path) -> None:
    """The host has proved that it holds the key: as in ssh, that counts."""
    options = world(
        tmp_path,
        known_hosts=tmp_path / "known",
        identity_files=(make_key(tmp_path / "wrong"),),
        accept_new_host_keys=True,
    )
    assert one(options, target(node), tmp_path).kind is Kind.AUTHENTICATION
    assert node.keys.host_public in (tmp_path / "known").read_text()


@pytest.mark.parametrize("accept", [False, True])
def test_a_changed_key_is_never_accepted(node: SshNode, tmp_path: Path, accept: bool) -> None:  # noqa: FBT001
    other = make_keys(tmp_path / "other")
    options = world(tmp_path, node, accept_new_host_keys=accept)
    assert options.known_hosts is not None
    options.known_hosts.write_text(f"[gpu-001]:{node.port} {other.host_public}\n")
    before = options.known_hosts.read_text()
    found = one(options, target(node), tmp_path)
    assert (found.kind, found.detail) == (
        Kind.HOST_KEY_CHANGED,
        "The host shows another key than the known one",
    )
    assert ", known SHA256:" in found.evidence
    assert options.known_hosts.read_text() == before


def test_a_key_of_another_type_is_a_change_too(node: SshNode, tmp_path: Path) -> None:
    other = make_key(tmp_path / "ecdsa", kind="ecdsa").with_name("ecdsa.pub").read_text()
    options = world(tmp_path, node, accept_new_host_keys=True)
    assert options.known_hosts is not None
    options.known_hosts.write_text(f"[gpu-001]:{node.port} {other}")
    assert one(options, target(node), tmp_path).kind is Kind.HOST_KEY_CHANGED


def test_a_revoked_key(node: SshNode, tmp_path: Path) -> None:
    options = world(tmp_path, node, accept_new_host_keys=True)
    assert options.known_hosts is not None
    with options.known_hosts.open("a") as stream:
        stream.write(f"@revoked * {node.keys.host_public}\n")
    found = one(options, target(node), tmp_path)
    assert (found.kind, found.detail) == (Kind.HOST_KEY_CHANGED, "The host shows a key that is revoked")


def test_revoked_host_keys_of_the_ssh_configuration(node: SshNode, tmp_path: Path) -> None:
    (tmp_path / "revoked").write_text(node.keys.host_public + "\n")
    options = world(tmp_path, node, config=f"RevokedHostKeys {tmp_path}/revoked")
    assert one(options, target(node), tmp_path).kind is Kind.HOST_KEY_CHANGED


def test_a_certificate_of_a_known_authority(tmp_path: Path) -> None:
    import subprocess

    keys, authority = make_keys(tmp_path / "keys"), make_key(tmp_path / "ca")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", authority, "-I", "host", "-h", "-n", "gpu-001", f"{keys.host}.pub"],
        check=True,
    )
    with ssh_node(keys=keys, options={"HostCertificate": f"{keys.host}-cert.pub"}) as node:
        options = world(tmp_path, node)
        assert options.known_hosts is not None
        options.known_hosts.write_text(
            f"@cert-authority [gpu-*]:{node.port} {(tmp_path / 'ca.pub').read_text()}"
        )
        assert one(options, target(node), tmp_path).ok
        found = one(options, target(node, "gpu-002"), tmp_path)  # the certificate is made out to another name
        assert found.kind is Kind.HOST_KEY_UNKNOWN
        assert found.detail.startswith("Its certificate does not hold")
        options.known_hosts.write_text(node.known_hosts())  # no authority known: the plain key counts
        assert one(options, target(node), tmp_path).ok


def test_a_host_without_the_certificate_its_authority_promises(node: SshNode, tmp_path: Path) -> None:
    options = world(tmp_path, node)
    assert options.known_hosts is not None
    ca = make_key(tmp_path / "ca").with_name("ca.pub").read_text()
    options.known_hosts.write_text(f"@cert-authority [gpu-*]:{node.port} {ca}")
    found = one(options, target(node), tmp_path)
    assert found.kind is Kind.HOST_KEY_UNKNOWN
    assert "no certificate" in found.detail
    assert one(replace(options, accept_new_host_keys=True), target(node), tmp_path).kind is found.kind


# --- credentials ------------------------------------------------------------------------------------------


def test_a_key_the_host_does_not_know(node: SshNode, tmp_path: Path) -> None:
    options = world(tmp_path, node, identity_files=(make_key(tmp_path / "wrong"),))
    found = one(options, target(node), tmp_path)
    assert (found.kind, found.detail) == (Kind.AUTHENTICATION, "No key was accepted")
    with pytest.raises(SshAuthentication):
        found.check()


def test_kerberos_is_mentioned_only_where_it_would_have_helped(tmp_path: Path) -> None:
    wrong = make_key(tmp_path / "wrong")
    with ssh_node(options={"GSSAPIAuthentication": "yes"}) as node:
        options = world(tmp_path, node, identity_files=(wrong,))
        found = one(options, target(node), tmp_path)
        assert "the Python package gssapi is missing" in found.detail
        found = one(replace(options, gssapi=False), target(node), tmp_path)
        assert found.detail == "No key was accepted"


def test_too_many_keys(tmp_path: Path) -> None:
    wrong = tuple(make_key(tmp_path / f"wrong{number}") for number in range(4))
    with ssh_node(options={"MaxAuthTries": "2"}) as node:
        found = one(world(tmp_path, node, identity_files=wrong), target(node), tmp_path)
    assert found.kind is Kind.AUTHENTICATION
    assert found.detail.startswith("Too many keys were tried")


def test_a_host_that_takes_no_keys_at_all(tmp_path: Path) -> None:
    with ssh_node(options={"PubkeyAuthentication": "no", "PasswordAuthentication": "yes"}) as node:
        found = one(world(tmp_path, node), target(node), tmp_path)
    assert (found.kind, found.detail) == (Kind.AUTHENTICATION, "The host accepts none of our ways to log in")


def test_a_user_that_is_denied(tmp_path: Path) -> None:
    with ssh_node(options={"AllowUsers": "nobody-at-all"}) as node:
        assert one(world(tmp_path, node), target(node), tmp_path).kind is Kind.AUTHENTICATION


def test_a_host_with_old_algorithms_only(tmp_path: Path) -> None:
    with ssh_node(
        options={"Ciphers": "aes128-ctr", "MACs": "hmac-sha1", "KexAlgorithms": "ecdh-sha2-nistp256"}
    ) as node:
        assert one(world(tmp_path, node), target(node), tmp_path).ok
        options = world(tmp_path, node, config="KexAlgorithms curve25519-sha256,made-up-kex\n")
        found = one(options, target(node), tmp_path)
        assert found.kind is Kind.CONNECTION_LOST


def test_a_key_file_that_is_named_must_be_there(node: SshNode, tmp_path: Path) -> None:
    options = world(tmp_path, node, identity_files=(tmp_path / "missing",))
    with pytest.raises(SshError, match=r"Can't use the key .*missing"):
        one(options, target(node), tmp_path)


def test_of_several_host_keys_the_known_one_is_asked_for(tmp_path: Path) -> None:
    rsa = make_key(tmp_path / "rsa", kind="rsa")
    with ssh_node(options={"HostKey": str(rsa)}) as node:  # beside the Ed25519 key every node has
        options = world(tmp_path, node)
        assert one(options, target(node), tmp_path).ok
        assert options.known_hosts is not None
        options.known_hosts.write_text(f"[gpu-001]:{node.port} {(tmp_path / 'rsa.pub').read_text()}")
        assert one(options, target(node), tmp_path).ok
