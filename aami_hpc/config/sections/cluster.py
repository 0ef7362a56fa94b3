"""`cluster`: which cluster this is."""

from pydantic import Field

from aami_hpc.config.base import Section, Text


class ClusterSection(Section):
    """The cluster's name, as it stands in metrics, incidents and messages."""

    name: Text = Field("", description="Name of the cluster. Empty: Slurm's ClusterName.")
