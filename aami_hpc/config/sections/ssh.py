"""`ssh`: how nodes are reached, and how many of them at once."""

from pydantic import Field

from aami_hpc.config.base import Count, Duration, FilePath, Flag, Port, Secret, Section, Text


class SshSection(Section):
    """Connections to nodes. What is not set here comes from the user's own ssh configuration."""

    user: Text = Field(
        "", description="User on the nodes. Empty: the ssh configuration, else the current user."
    )
    port: Port | None = Field(None, description="Port of sshd. Not set: the ssh configuration, else 22.")
    identity_files: tuple[FilePath, ...] = Field(
        (), description="Private keys to offer. Empty: the agent and the ssh configuration."
    )
    key_passphrase: Secret | None = Field(
        None, description="Passphrase of the private keys. A secret: write ${NAME} or !file PATH."
    )
    config_file: FilePath | None = Field(
        None, description="ssh configuration file to read. Not set: ~/.ssh/config if it is there."
    )
    known_hosts: FilePath | None = Field(
        None, description="File of known host keys. Not set: ~/.ssh/known_hosts."
    )
    proxy_jump: Text = Field("", description="Host to go through, as [user@]host[:port].")
    gssapi: Flag = Field(default=True, description="Whether to offer Kerberos (GSSAPI) authentication.")
    host_based: Flag = Field(default=False, description="Whether to offer host-based authentication.")
    sudo: Flag = Field(default=False, description="Whether commands on nodes run through `sudo -n`.")
    connect_timeout: Duration = Field(10.0, description="How long a connection may take to stand.")
    command_timeout: Duration = Field(
        60.0, description="How long a command on a node may run. It is ended there, too."
    )
    keepalive: Duration = Field(
        15.0, description="How often a silent connection is asked whether it still stands."
    )
    connections: Count = Field(64, description="At most so many hosts are connected at once.")
    uploads: Count = Field(16, description="At most so many hosts receive files at once.")
    disruption: Count = Field(
        1, description="At most so many hosts are disturbed at once, by a restart of a service for instance."
    )
