"""The sections of the configuration: one row each. A section exists when the part that reads it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aami_hpc.config.sections.access import AccessSection
from aami_hpc.config.sections.cluster import ClusterSection
from aami_hpc.config.sections.groups import GroupsSection
from aami_hpc.config.sections.hooks import HooksSection
from aami_hpc.config.sections.nodes import NodesSection
from aami_hpc.config.sections.policy import PolicySection
from aami_hpc.config.sections.slurm import SlurmSection
from aami_hpc.config.sections.ssh import SshSection
from aami_hpc.config.sections.storage import StorageSection

if TYPE_CHECKING:
    from pydantic import BaseModel


class Row(NamedTuple):
    """`owner` is the part of the product that reads the section."""

    name: str
    model: type[BaseModel]
    owner: str
    summary: str


SECTIONS: tuple[Row, ...] = (
    Row("cluster", ClusterSection, "fleet", "Which cluster this is"),
    Row("slurm", SlurmSection, "slurm", "Where Slurm is and how long it may take to answer"),
    Row("ssh", SshSection, "io.ssh", "How nodes are reached, and how many of them at once"),
    Row("nodes", NodesSection, "fleet", "What is known of nodes beyond Slurm"),
    Row("groups", GroupsSection, "fleet", "Names for sets of nodes"),
    Row("storage", StorageSection, "store", "Where the head node keeps its state"),
    Row("hooks", HooksSection, "hooks", "What the hooks on the nodes find and use"),
    Row("policy", PolicySection, "hooks", "What a finding on a node may cause"),
    Row("access", AccessSection, "actions", "What people may do without being asked again"),
)
