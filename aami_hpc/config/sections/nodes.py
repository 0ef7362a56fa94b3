"""`nodes`: what is known of nodes beyond Slurm: addresses, GPUs, labels, by node range."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import ConfigDict, Field, PrivateAttr, RootModel

from aami_hpc.config import ranges
from aami_hpc.config.base import Address, Name, Port, Range, Section, Text
from aami_hpc.config.context import Context


class NodeAttributes(Section):
    """What the configuration says about every node of a range."""

    address: Address = Field(
        "", description="Address to connect to; {name} stands for the node's name. Empty: Slurm's NodeAddr."
    )
    gpus: Annotated[int, Field(strict=True, ge=0, le=1024)] | None = Field(
        None, description="Number of GPUs. Not set: what Slurm says."
    )
    model: Text = Field("", description="Model of the GPUs, such as h100. Empty: what Slurm says.")
    partitions: tuple[Text, ...] = Field(
        (), description="Partitions the nodes are in, for nodes that Slurm does not know."
    )
    labels: dict[Name, Text] = Field({}, description="Labels of your own, to find nodes by.")
    ssh_user: Text = Field("", description="User on these nodes, instead of ssh.user.")
    ssh_port: Port | None = Field(None, description="Port of sshd on these nodes, instead of ssh.port.")


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """One entry of `nodes`. An empty value or None says nothing: earlier entries and Slurm stand."""

    range: str
    address: str = ""
    gpus: int | None = None
    model: str = ""
    partitions: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    ssh_user: str = ""
    ssh_port: int | None = None
    origin: str = ""

    def names(self) -> Iterator[str]:
        """The names the range stands for, in order."""
        return ranges.names(self.range)


class NodesSection(RootModel[dict[Range, NodeAttributes]]):
    """Node range to attributes. Where ranges overlap, a later entry wins, attribute by attribute."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)
    root: dict[Range, NodeAttributes] = Field(default_factory=dict)
    _origins: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any, /) -> None:
        self._origins = Context.of(context).node_origins

    @property
    def entries(self) -> tuple[NodeEntry, ...]:
        """The entries in the order of the file."""
        return tuple(
            NodeEntry(range=text, origin=self._origins.get(text, ""), **dict(attributes))
            for text, attributes in self.root.items()
        )
