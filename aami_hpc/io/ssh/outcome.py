"""How work on one host ended. An outcome is data; callers with a single host may turn it into an error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from aami_hpc.errors import (
    SshAuthentication,
    SshCommandFailed,
    SshError,
    SshHostKey,
    SshTransferFailed,
    SshUnreachable,
)


class Kind(str, Enum):
    """What became of a host, as stable words."""

    OK = "ok"
    NO_ROUTE = "no-route"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    NAME_UNKNOWN = "name-unknown"
    HOST_KEY_UNKNOWN = "host-key-unknown"
    HOST_KEY_CHANGED = "host-key-changed"
    AUTHENTICATION = "authentication"
    PAM_SLURM_ADOPT = "pam-slurm-adopt"
    SUDO_REFUSED = "sudo-refused"
    NO_SHELL = "no-shell"
    COMMAND_FAILED = "command-failed"
    COMMAND_TIMEOUT = "command-timeout"
    TRANSFER_FAILED = "transfer-failed"
    CONNECTION_LOST = "connection-lost"


class Meaning(NamedTuple):
    """What a kind says, what to do about it, and the error it becomes for a single host."""

    says: str
    hint: str
    error: type[SshError] = SshError


MEANINGS: dict[Kind, Meaning] = {
    Kind.OK: Meaning("works", ""),
    Kind.NO_ROUTE: Meaning(
        "no route to the host",
        "Check the address, the network between here and the node, and whether the node is powered on",
        SshUnreachable,
    ),
    Kind.REFUSED: Meaning(
        "connection refused",
        "The machine is up, its sshd is not: start sshd there, or check the port and the firewall",
        SshUnreachable,
    ),
    Kind.TIMEOUT: Meaning(
        "no answer in time",
        "Check whether the node hangs or a firewall drops packets; ssh.connect_timeout says how long we wait",
        SshUnreachable,
    ),
    Kind.NAME_UNKNOWN: Meaning(
        "the name does not resolve",
        "Add the name to DNS or /etc/hosts, or set an address under `nodes` in the configuration",
        SshUnreachable,
    ),
    Kind.HOST_KEY_UNKNOWN: Meaning(
        "host key unknown",
        "Compare the fingerprint with the node's own, then run again with --accept-new-host-keys",
        SshHostKey,
    ),
    Kind.HOST_KEY_CHANGED: Meaning(
        "host key differs from the known one",
        "If the node was reinstalled remove the old key with `ssh-keygen -R NODE`; if not, somebody may sit "
        "between you and it",
        SshHostKey,
    ),
    Kind.AUTHENTICATION: Meaning(
        "login refused",
        "Put your public key into the node's authorized_keys, or check ssh.user and ssh.identity_files",
        SshAuthentication,
    ),
    Kind.PAM_SLURM_ADOPT: Meaning(
        "refused by pam_slurm_adopt",
        "Log in as a user that pam_slurm_adopt lets pass without a job (root by default, or pam_access before it)",
        SshAuthentication,
    ),
    Kind.SUDO_REFUSED: Meaning(
        "sudo refused",
        "Allow the user `NOPASSWD` for what we run in sudoers, or log in as root and set ssh.sudo to false",
        SshCommandFailed,
    ),
    Kind.NO_SHELL: Meaning(
        "no shell",
        "Give the user a login shell on the node (`usermod -s /bin/sh USER`) and remove any forced command",
        SshCommandFailed,
    ),
    Kind.COMMAND_FAILED: Meaning(
        "command failed",
        "Run the command on the node by hand to see why",
        SshCommandFailed,
    ),
    Kind.COMMAND_TIMEOUT: Meaning(
        "the command did not end in time",
        "The node may be overloaded or its file systems may hang; ssh.command_timeout says how long we wait",
        SshCommandFailed,
    ),
    Kind.TRANSFER_FAILED: Meaning(
        "file not transferred",
        "Check space and permissions in the target folder on the node; the old file is still in place",
        SshTransferFailed,
    ),
    Kind.CONNECTION_LOST: Meaning(
        "connection lost",
        "The node closed the connection: look into its sshd log (journalctl -u ssh) at this time",
        SshUnreachable,
    ),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How work on one host ended.

    `detail` is the same for all hosts with the same trouble, so that equal outcomes merge; what is particular
    to this host, such as a fingerprint, stands in `evidence`. Both are outside text.
    """

    name: str
    kind: Kind
    detail: str = ""
    evidence: str = ""
    status: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    noise: bytes = b""  # what the host's login scripts printed around our output
    truncated: bool = False
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.kind is Kind.OK

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def hint(self) -> str:
        return MEANINGS[self.kind].hint

    def check(self) -> Outcome:
        """The outcome itself if it is good; the error it stands for if not."""
        if not self.ok:
            raise self.error()
        return self

    def error(self) -> SshError:
        """The error a caller with one host raises."""
        meaning = MEANINGS[self.kind]
        cause = f"{self.detail} ({self.evidence})" if self.detail and self.evidence else self.detail
        return meaning.error(f"{self.name}: {meaning.says}", cause=cause or self.evidence, hint=meaning.hint)


class Failed(Exception):
    """Work on a host can't go on. No error for people: it carries an outcome to where outcomes are gathered."""

    def __init__(self, kind: Kind, detail: str = "", evidence: str = "") -> None:
        super().__init__(detail or kind.value)
        self.kind = kind
        self.detail = detail
        self.evidence = evidence

    def outcome(self, name: str, seconds: float = 0.0) -> Outcome:
        return Outcome(name, self.kind, self.detail, self.evidence, seconds=seconds)
