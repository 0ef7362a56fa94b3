"""What only a machine with root can show: real routes, real PAM, real users and shells, real sudo, a real full disk."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.io.ssh import Kind, Payload
from aami_hpc.testing.sshd import make_key, make_keys
from tests.io.ssh_private import Etc, private_node
from tests.io.ssh_support import living, one, script, target, world
from tests.lab.faults import full_disk
from tests.lab.require import unavailable

if TYPE_CHECKING:
    from aami_hpc.io.ssh import Host, Outcome
    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab

_PAM_ADOPT = [Path("/lib/security/pam_slurm_adopt.so"), Path("/usr/lib64/security/pam_slurm_adopt.so")]
_PERMIT = "auth required pam_permit.so\nsession required pam_permit.so\n"


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        unavailable(f"{name} is not installed (Debian package {package})")
    return found


# --- the network ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if os.geteuid() != 0:
        unavailable("a network namespace needs root")
    argv = [
        "unshare",
        "--net",
        sys.executable,
        "-m",
        "tests.io.ssh_in_namespace",
        str(tmp_path_factory.mktemp("net")),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("place", "kind", "detail"),
    [
        ("none", "no-route", "Network is unreachable"),
        ("unreachable", "no-route", "No route to host"),
        ("prohibited", "no-route", "Permission denied"),
        ("silent", "timeout", "While connecting"),
        ("none behind a jump host", "no-route", "The jump host says: open failed"),
        ("unreachable behind a jump host", "no-route", "The jump host says: open failed"),
    ],
)
def test_what_the_network_says(network: dict[str, Any], place: str, kind: str, detail: str) -> None:
    assert network[place] == [kind, detail]


def test_a_cut_link_leaves_no_command_behind(network: dict[str, Any]) -> None:
    assert network["cut"][0] == "command-timeout"
    assert "did not confirm that it is gone" in network["cut"][1]
    assert network["left behind"] == []


# --- users and their shells -------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "tcsh", "fish", "mksh"])
def test_every_login_shell(tmp_path: Path, shell: str) -> None:
    with private_node(Etc(users={"ada": program(shell, shell)})) as node:
        options = world(tmp_path, node, user="ada", command_timeout=60)
        found = one(options, target(node), tmp_path, script('echo "it\'s $(id -un) !"; echo err >&2; exit 3'))
        assert (found.kind, found.status, found.text) == (Kind.COMMAND_FAILED, 3, "it's ada !\n")
        found = one(options, target(node), tmp_path, script("sleep 77101", timeout=2))
        assert (found.kind, living("77101")) == (Kind.COMMAND_TIMEOUT, [])


def test_accounts_without_a_shell(tmp_path: Path) -> None:
    users = {"locked": "/usr/sbin/nologin", "mute": "/bin/false", "lost": "/bin/no-such-shell"}
    with private_node(Etc(users=users)) as node:
        found = {user: one(world(tmp_path, node, user=user), target(node), tmp_path) for user in users}
    assert (
        {user: outcome.kind for user, outcome in found.items()}
        == {
            "locked": Kind.NO_SHELL,
            "mute": Kind.NO_SHELL,
            "lost": Kind.AUTHENTICATION,  # sshd itself refuses a shell that is not there, and tells nobody but its log
        }
    )
    assert found["locked"].detail == "This account is currently not available."


def test_a_login_shell_that_hangs_is_ended_too(tmp_path: Path) -> None:
    shell = tmp_path / "hanging"
    shell.write_text("#!/bin/sh\nsleep 77102\n")
    shell.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with private_node(Etc(users={"ada": str(shell)})) as node:
        found = one(world(tmp_path, node, user="ada", command_timeout=1), target(node), tmp_path)
        assert found.kind is Kind.COMMAND_TIMEOUT
        assert "did not get as far as our command" in found.detail
        assert living("77102") == []


def test_tmp_without_the_right_to_execute(tmp_path: Path) -> None:
    mounts = "mount --bind /tmp /tmp; mount -o remount,bind,noexec /tmp"
    (tmp_path / "source").write_bytes(os.urandom(1000))
    payload = Payload.of(tmp_path / "source")

    async def work(host: Host) -> Outcome:
        assert not (await host.run(f"{program_in_tmp}")).ok
        assert (await host.upload(payload, PurePosixPath(tmp_path / "target"), mode=0o755)).ok
        return await host.run("echo works")

    program_in_tmp = tmp_path / "program"
    program_in_tmp.write_text("#!/bin/sh\n")
    program_in_tmp.chmod(0o755)
    with private_node(Etc(mounts=mounts)) as node:
        assert one(world(tmp_path, node), target(node), tmp_path, work).text == "works\n"


# --- PAM --------------------------------------------------------------------------------------------------


def slurm_conf() -> str:
    host = socket.gethostname().partition(".")[0]
    return (
        f"ClusterName=test\nSlurmctldHost={host}\nNodeName={host} CPUs=1\nPartitionName=all Nodes=ALL\n"
        "SlurmdSpoolDir=/nonexistent\nProctrackType=proctrack/linuxproc\nPrologFlags=Contain\n"
    )


def test_the_real_pam_slurm_adopt(tmp_path: Path) -> None:
    """The module of Debian's libpam-slurm-adopt itself: it speaks in a banner, then sshd hangs up."""
    if not any(path.exists() for path in _PAM_ADOPT):
        unavailable("pam_slurm_adopt.so is not installed (Debian package libpam-slurm-adopt)")
    pam = (
        f"{_PERMIT}account required pam_slurm_adopt.so action_no_jobs=deny\naccount required pam_permit.so\n"
    )
    etc = Etc({"ada": "/bin/sh"}, {"pam.d/sshd": pam, "slurm/slurm.conf": slurm_conf()})
    with private_node(etc, options={"UsePAM": "yes"}) as node:
        found = one(world(tmp_path, node, user="ada"), target(node), tmp_path)
        assert one(world(tmp_path, node), target(node), tmp_path).ok  # root passes, as by default
    assert found.kind is Kind.PAM_SLURM_ADOPT
    assert found.detail == "Access denied by pam_slurm_adopt: you have no active jobs on this node"


def test_pam_that_says_something_else(tmp_path: Path) -> None:
    pam = f"{_PERMIT}account required pam_nologin.so\n"
    etc = Etc({"ada": "/bin/sh"}, {"pam.d/sshd": pam, "nologin": "Maintenance until noon.\n"})
    with private_node(etc, options={"UsePAM": "yes"}) as node:
        found = one(world(tmp_path, node, user="ada"), target(node), tmp_path)
    assert (found.kind, found.detail) == (Kind.AUTHENTICATION, "Maintenance until noon.")


def test_pam_that_refuses_without_a_word(tmp_path: Path) -> None:
    pam = f"{_PERMIT}account required pam_deny.so\n"
    with private_node(Etc({"ada": "/bin/sh"}, {"pam.d/sshd": pam}), options={"UsePAM": "yes"}) as node:
        found = one(world(tmp_path, node, user="ada"), target(node), tmp_path)
    assert (found.kind, found.detail) == (Kind.CONNECTION_LOST, "While logging in")


# --- sudo -------------------------------------------------------------------------------------------------

_SUDOERS = "Defaults use_pty\nroot ALL=(ALL) ALL\nops ALL=(ALL) NOPASSWD: ALL\neve ALL=(ALL) ALL\nDefaults:old !use_pty\nold ALL=(ALL) NOPASSWD: ALL\n"


def test_the_real_sudo(tmp_path: Path) -> None:
    program("sudo", "sudo")
    users = dict.fromkeys(("ops", "old", "eve", "ada"), "/bin/sh")
    (tmp_path / "source").write_bytes(os.urandom(300_000))
    payload = Payload.of(tmp_path / "source")

    async def work(host: Host) -> Outcome:
        assert (await host.run("id -u")).text == "0\n"
        assert (await host.upload(payload, PurePosixPath(tmp_path / host.name), mode=0o600)).ok
        assert (await host.run("id -u", sudo=False)).text != "0\n"
        return await host.run("sleep 77103 & sleep 77103", timeout=2)

    with private_node(Etc(users, {"sudoers": _SUDOERS})) as node:
        options = world(tmp_path, node, sudo=True, command_timeout=60)
        for user in (
            "ops",
            "old",
        ):  # with a terminal of sudo's own, as Debian and newer sudo have it, and without
            found = one(replace(options, user=user), target(node), tmp_path, work)
            assert (found.kind, found.detail) == (Kind.COMMAND_TIMEOUT, "It was ended")
            assert living("77103") == []
        assert (tmp_path / "gpu-001").stat().st_uid == 0
        found = one(replace(options, user="eve"), target(node), tmp_path)
        assert (found.kind, found.detail) == (Kind.SUDO_REFUSED, "sudo: a password is required")
        assert one(replace(options, user="ada"), target(node), tmp_path).kind is Kind.SUDO_REFUSED


# --- files and host-based login ---------------------------------------------------------------------------


def test_a_full_disk_keeps_the_old_file_and_no_junk(tmp_path: Path, lab_ledger: Ledger) -> None:
    (tmp_path / "source").write_bytes(os.urandom(200_000))
    payload = Payload.of(tmp_path / "source")
    with full_disk(lab_ledger) as disk, private_node(Etc()) as node:

        async def work(host: Host) -> Outcome:
            return await host.upload(payload, PurePosixPath(disk / "filler"))

        before = (disk / "filler").stat().st_size
        found = one(world(tmp_path, node), target(node), tmp_path, work)
        assert (found.kind, found.detail) == (
            Kind.TRANSFER_FAILED,
            "It could not be written: No space left on device",
        )
        assert [one.name for one in disk.iterdir()] == ["filler"]
        assert (disk / "filler").stat().st_size == before


def test_host_based_login(tmp_path: Path) -> None:
    """The machine vouches for its user: sshd knows our host key and trusts our host's users."""
    mine = Path("/etc/ssh/ssh_host_ed25519_key.pub")
    if not mine.exists():
        unavailable("this machine has no host key of its own (ssh-keygen -A)")
    names = {socket.gethostname(), "localhost", "127.0.0.1", socket.getfqdn("127.0.0.1")}
    etc = Etc(
        {"ada": "/bin/sh"},
        {
            "ssh/ssh_known_hosts": "".join(f"{name} {mine.read_text()}" for name in names),
            "ssh/shosts.equiv": "".join(f"{name} root\n" for name in names),
        },
    )
    options = {
        "HostbasedAuthentication": "yes",
        "HostbasedUsesNameFromPacketOnly": "yes",
        "IgnoreRhosts": "no",
    }
    keys = make_keys(tmp_path / "keys")
    with private_node(etc, keys=keys, options=options) as node:
        wrong = (make_key(tmp_path / "wrong"),)
        chosen = world(tmp_path, node, user="ada", identity_files=wrong, host_based=True)
        assert one(replace(chosen, host_based=False), target(node), tmp_path).kind is Kind.AUTHENTICATION
        assert one(chosen, target(node), tmp_path).ok
        assert "Accepted hostbased for ada" in node.log
