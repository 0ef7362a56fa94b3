"""Every error a person can meet, drawn as one tree.

An error says what happened (message), why (cause) and what to do next (hint). Its reference is stable and
has a section in docs/errors.md; its exit status is its own. Status 1 is the answer "no", 2 is wrong usage;
neither is an error class here except `UsageFault`, for usage that only shows after parsing.

    AamiError
    ├── UsageFault              2
    ├── InternalError          10
    ├── SystemFault            1x   this machine
    ├── ConfigError            2x   the configuration
    ├── NodeError              3x   node names, node sets, hosts files
    ├── SlurmError             4x   asking Slurm
    ├── SshError               5x   reaching other machines
    └── HooksError             6x   generations of the node's side
"""

from __future__ import annotations

from typing import ClassVar


class AamiError(Exception):
    """One failure, told so that the reader at 3 a.m. can act on it."""

    reference: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 10

    def __init__(self, message: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.hint = hint

    def __str__(self) -> str:
        """What, why and what to do, as sentences on one line."""
        parts = (part.strip() for part in (self.message, self.cause, self.hint))
        return " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in parts if part)

    def as_dict(self) -> dict[str, str | int]:
        """The stable keys of an error in `--json` output."""
        return {
            "reference": self.reference,
            "message": self.message,
            "cause": self.cause,
            "hint": self.hint,
            "exit_status": self.exit_status,
        }


class UsageFault(AamiError):
    """An argument that parses but can't be meant, such as a range that is no range."""

    reference = "usage"
    exit_status = 2


class InternalError(AamiError):
    """A defect of ours: something that no class below foresaw."""

    reference = "internal"
    exit_status = 10


# --- this machine -----------------------------------------------------------------------------------------


class SystemFault(AamiError):
    """The machine would not let us work."""

    reference = "system"
    exit_status = 11


class DamagedInstallation(SystemFault):
    """Files that belong to the package are missing."""

    reference = "damaged-installation"
    exit_status = 12


class PermissionRefused(SystemFault):
    """A file or an operation this user may not touch."""

    reference = "permission"
    exit_status = 13


class StorageFault(SystemFault):
    """A file could not be read or written: disk full, read-only, gone."""

    reference = "storage"
    exit_status = 14


class CommandFailed(SystemFault):
    """A program we need ended badly, is missing, or did not end in time."""

    reference = "command-failed"
    exit_status = 15


# --- configuration ----------------------------------------------------------------------------------------


class ConfigError(AamiError):
    """Something about the configuration that none of the kinds below says better."""

    reference = "config"
    exit_status = 20


class ConfigNotFound(ConfigError):
    """The file named by --config or $AAMI_CONFIG is not there."""

    reference = "config-not-found"
    exit_status = 21


class ConfigSyntax(ConfigError):
    """Not YAML as we accept it: tabs, duplicate keys, unclosed quotes, anchors that lead nowhere."""

    reference = "config-syntax"
    exit_status = 22


class ConfigInvalid(ConfigError):
    """YAML, but not a configuration: an unknown key, a wrong type, a value out of bounds."""

    reference = "config-invalid"
    exit_status = 23


class SecretUnavailable(ConfigError):
    """An environment variable or file that a value refers to is not there."""

    reference = "secret-unavailable"
    exit_status = 24


class ConfigExists(ConfigError):
    """`init` would have overwritten a configuration."""

    reference = "config-exists"
    exit_status = 25


# --- nodes ------------------------------------------------------------------------------------------------


class NodeError(AamiError):
    """Something about nodes that none of the kinds below says better."""

    reference = "node"
    exit_status = 30


class NodeSetSyntax(NodeError):
    """A node argument that can't be read as a node set, or a word such as ALL that must never reach Slurm."""

    reference = "node-set-syntax"
    exit_status = 31


class UnknownNode(NodeError):
    """A node that neither Slurm nor the configuration knows."""

    reference = "unknown-node"
    exit_status = 32


class UnknownGroup(NodeError):
    """A group (`@rack:r12`) that no source defines."""

    reference = "unknown-group"
    exit_status = 33


class NodeConflict(NodeError):
    """A node that is there already, or that can't be removed because Slurm defines it."""

    reference = "node-conflict"
    exit_status = 34


class HostsFileInvalid(NodeError):
    """A hosts.txt with lines that can't be read; nothing was added."""

    reference = "hosts-file"
    exit_status = 35


# --- Slurm ------------------------------------------------------------------------------------------------


class SlurmError(AamiError):
    """Something about Slurm that none of the kinds below says better."""

    reference = "slurm"
    exit_status = 40


class SlurmNotFound(SlurmError):
    """No Slurm client commands on this machine."""

    reference = "slurm-not-found"
    exit_status = 41


class SlurmUnreachable(SlurmError):
    """The controller does not answer."""

    reference = "slurm-unreachable"
    exit_status = 42


class SlurmAnswer(SlurmError):
    """Slurm answered something we can't read."""

    reference = "slurm-answer"
    exit_status = 43


# --- SSH --------------------------------------------------------------------------------------------------


class SshError(AamiError):
    """Something about SSH that none of the kinds below says better."""

    reference = "ssh"
    exit_status = 50


class SshUnreachable(SshError):
    """No connection to the host: no route, refused, timed out, name unknown."""

    reference = "ssh-unreachable"
    exit_status = 51


class SshHostKey(SshError):
    """The host's key is unknown or differs from the known one."""

    reference = "ssh-host-key"
    exit_status = 52


class SshAuthentication(SshError):
    """The host did not accept any of our credentials, or its policy turned us away."""

    reference = "ssh-authentication"
    exit_status = 53


class SshCommandFailed(SshError):
    """The connection stands, but the remote command could not be run or did not end in time."""

    reference = "ssh-command"
    exit_status = 54


class SshTransferFailed(SshError):
    """A file did not arrive as it was sent."""

    reference = "ssh-transfer"
    exit_status = 55


# --- hooks ------------------------------------------------------------------------------------------------


class HooksError(AamiError):
    """Something about the hooks' generations that none of the kinds below says better."""

    reference = "hooks"
    exit_status = 60


class GenerationBroken(HooksError):
    """A tree was rendered and does not pass its own test, or could not be completed."""

    reference = "generation-broken"
    exit_status = 61
