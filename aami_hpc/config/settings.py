"""The configuration as the rest of the product sees it: one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aami_hpc.config import keys
from aami_hpc.config.sections.access import AccessSection
from aami_hpc.config.sections.cluster import ClusterSection
from aami_hpc.config.sections.groups import GroupsSection
from aami_hpc.config.sections.hooks import HooksSection
from aami_hpc.config.sections.nodes import NodesSection
from aami_hpc.config.sections.policy import PolicySection
from aami_hpc.config.sections.slurm import SlurmSection
from aami_hpc.config.sections.ssh import SshSection
from aami_hpc.config.sections.storage import StorageSection
from aami_hpc.config.tree import find

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.config.tree import Item

DEFAULT = "built-in default"


@dataclass(frozen=True, slots=True)
class Settings:
    """Every section, the files they were read from, and where each value stands. `Settings()` is the defaults."""

    cluster: ClusterSection = field(default_factory=ClusterSection)
    slurm: SlurmSection = field(default_factory=SlurmSection)
    ssh: SshSection = field(default_factory=SshSection)
    nodes: NodesSection = field(default_factory=NodesSection)
    groups: GroupsSection = field(default_factory=GroupsSection)
    storage: StorageSection = field(default_factory=StorageSection)
    hooks: HooksSection = field(default_factory=HooksSection)
    policy: PolicySection = field(default_factory=PolicySection)
    access: AccessSection = field(default_factory=AccessSection)
    files: tuple[Path, ...] = ()
    tree: Item | None = field(default=None, repr=False, compare=False)  # the files' values, with their lines

    def origin(self, key: str) -> str:
        """Where the value of a key such as `ssh.user` was written: FILE:LINE, or that it is built in."""
        parts = keys.split(key)
        item = find(self.tree, parts) if parts else None
        return DEFAULT if item is None else item.where
