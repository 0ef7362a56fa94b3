"""What the caller says about connecting: the hosts, and the options that hold for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Target:
    """One host. Empty values leave the matter to the options and to the user's ssh configuration.

    `name` is what the ssh configuration and known_hosts know it by; `address` is where it is, if that differs.
    """

    name: str
    address: str = ""
    port: int | None = None
    user: str = ""


@dataclass(frozen=True, slots=True)
class SshOptions:
    """Options for all hosts of one run. Times are in seconds."""

    user: str = ""
    port: int | None = None
    identity_files: tuple[Path, ...] = ()
    key_passphrase: str = field(default="", repr=False)
    config_file: Path | None = None  # None: the user's and the system's
    known_hosts: Path | None = None  # None: what the ssh configuration says, else ~/.ssh/known_hosts
    accept_new_host_keys: bool = False
    proxy_jump: str = ""
    gssapi: bool = True
    host_based: bool = False
    sudo: bool = False
    connect_timeout: float = 10.0
    command_timeout: float = 60.0
    keepalive: float = 15.0
    connections: int = 64
    uploads: int = 16
    disruption: int = 1
    output_limit: int = 256 * 1024  # bytes kept of each stream of a command
