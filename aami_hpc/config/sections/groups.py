"""`groups`: names for sets of nodes, usable as `@source:name` wherever a node is."""

from collections.abc import Mapping

from pydantic import ConfigDict, Field, RootModel

from aami_hpc.config.base import GroupSource, Name, Range


class GroupsSection(RootModel[dict[GroupSource, dict[Name, Range]]]):
    """Group source to group name to node range. The sources `partition` and `state` are Slurm's own."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)
    root: dict[GroupSource, dict[Name, Range]] = Field(default_factory=dict)

    @property
    def sources(self) -> Mapping[str, Mapping[str, str]]:
        return self.root
