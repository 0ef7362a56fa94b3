"""How the configuration and the inventory become SSH options and targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.io.ssh import SshOptions, Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aami_hpc.config import Settings
    from aami_hpc.model.node import Node


def ssh_options(settings: Settings, *, accept_new_host_keys: bool = False) -> SshOptions:
    """The `ssh` section as options. The passphrase is revealed here, and nowhere before."""
    section = settings.ssh
    return SshOptions(
        user=section.user,
        port=section.port,
        identity_files=tuple(section.identity_files),
        key_passphrase=section.key_passphrase.reveal() if section.key_passphrase else "",
        config_file=section.config_file,
        known_hosts=section.known_hosts,
        accept_new_host_keys=accept_new_host_keys,
        proxy_jump=section.proxy_jump,
        gssapi=section.gssapi,
        host_based=section.host_based,
        sudo=section.sudo,
        connect_timeout=section.connect_timeout,
        command_timeout=section.command_timeout,
        keepalive=section.keepalive,
        connections=section.connections,
        uploads=section.uploads,
        disruption=section.disruption,
    )


def targets(nodes: Iterable[Node]) -> tuple[Target, ...]:
    """One target per node, with the user and port that its range of the configuration sets."""
    return tuple(
        Target(node.name, "" if node.address == node.name else node.address, node.ssh_port, node.ssh_user)
        for node in nodes
    )
