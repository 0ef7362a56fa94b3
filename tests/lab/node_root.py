"""What is in a node's root before it boots: the packages, the accounts, its keys, names and services."""

from __future__ import annotations

import os
import shlex
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.ledger import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.ledger import Ledger

SUITE = "bookworm"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "libnss-systemd", "procps"),
    *("openssh-server", "sudo", "python3", "iproute2", "iputils-ping", "ca-certificates"),
    *("slurmctld", "slurmd", "slurm-client", "munge", "libpam-slurm-adopt"),
)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can log in with the lab's key."""

    name: str
    uid: int
    shell: str = "/bin/bash"
    sudo: bool = False

    @property
    def home(self) -> str:
        return "/root" if self.name == "root" else f"/home/{self.name}"


ROOT = Account("root", 0)
ACCOUNTS = (
    ROOT,
    Account("ops", 2001, sudo=True),  # an administrator
    Account("guest", 2002, shell="/bin/sh"),  # may log in, may not use sudo
    Account("noshell", 2003, shell="/usr/sbin/nologin"),  # may not even have a shell
)
_SSHD = "PasswordAuthentication no\nUseDNS no\nMaxStartups 200\n"
_NEVER = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"),
    # Each costs inotify instances, of which a machine gives all containers together 128 by default.
    *("systemd-ask-password-console.path", "systemd-ask-password-wall.path", "user@.service"),
)
_ON_REQUEST = "munge.service slurmctld.service slurmd.service"


def finish() -> str:
    """The script that makes a fresh tree the root of any node."""
    lines = [f"systemctl mask {' '.join(_NEVER)}", f"systemctl disable {_ON_REQUEST}"]
    for account in ACCOUNTS[1:]:
        lines.append(f"useradd --create-home --uid {account.uid} --shell {account.shell} {account.name}")
        if account.sudo:
            lines.append(f"echo '{account.name} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{account.name}")
    lines.append(f"printf %s {shlex.quote(_SSHD)} > /etc/ssh/sshd_config.d/lab.conf")
    lines.append("rm -f /etc/hostname /etc/hosts /etc/resolv.conf /etc/machine-id /etc/ssh/ssh_host_*")
    return "\n".join(lines)


class NodeRoot:
    """A root folder of a node that does not run yet, seen from outside."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self.path = path
        self._ledger = ledger

    def at(self, path: str) -> Path:
        """The path as seen from outside; never one that a link leads out of the root."""
        found = Path(os.path.realpath(self.path / path.lstrip("/")))
        if not found.is_relative_to(self.path):
            raise LabError(f"{path} leads out of {self.path}")
        return found

    def write(self, path: str, text: str, *, mode: int = 0o644, owner: int = 0) -> None:
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)
        os.chown(place, owner, owner)

    def enable(self, service: str) -> None:
        wants = self.at("/etc/systemd/system/multi-user.target.wants")
        wants.mkdir(parents=True, exist_ok=True)
        (wants / service).symlink_to(f"/lib/systemd/system/{service}")

    def uid(self, user: str) -> int:
        for line in self.at("/etc/passwd").read_text().splitlines():
            if line.startswith(f"{user}:"):
                return int(line.split(":")[2])
        raise LabError(f"no user {user} in {self.path}")

    def name(self, hostname: str, hosts: str) -> None:
        """Give it an identity of its own, and the names of the others."""
        self.write("/etc/hostname", f"{hostname}\n")
        self.write("/etc/hosts", hosts)
        self.write("/etc/resolv.conf", "")
        self.write("/etc/machine-id", f"{uuid.uuid4().hex}\n", mode=0o444)

    def let_in(self, public_key: str, accounts: Iterable[Account] = ACCOUNTS) -> None:
        """Accept the key for every account."""
        for account in accounts:
            folder = f"{account.home}/.ssh"
            self.write(f"{folder}/authorized_keys", public_key, mode=0o600, owner=account.uid)
            self.at(folder).chmod(0o700)
            os.chown(self.at(folder), account.uid, account.uid)

    def host_key(self, comment: str) -> str:
        """Make the host's key; the public half as known_hosts wants it."""
        return new_key(self._ledger, self.at("/etc/ssh/ssh_host_ed25519_key"), comment)


def new_key(ledger: Ledger, path: Path, comment: str) -> str:
    """A fresh ed25519 key without a passphrase; type and public half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    ledger.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])
