"""The inventory: every node that Slurm or the configuration knows, merged, and the one way to name some of them.

The configuration wins, field by field, and each field keeps where it came from. Whatever a person types for
nodes goes through `select`; what comes back are names of the inventory, letter by letter, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aami_hpc.config import keys, ranges
from aami_hpc.errors import ConfigInvalid, UnknownNode
from aami_hpc.fleet import nodeset
from aami_hpc.fleet.groups import collect, members
from aami_hpc.fleet.near import nearest
from aami_hpc.model.node import Node, is_node_name, natural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aami_hpc.config import Settings
    from aami_hpc.config.sections.nodes import NodeEntry
    from aami_hpc.fleet.groups import Groups

BY_NAME = "the node's name"  # the origin of an address that nobody gave

# Field of a node, attribute of a configured entry.
_FIELDS = (
    ("address", "address"),
    ("gpus", "gpus"),
    ("gpu_model", "model"),
    ("partitions", "partitions"),
    ("ssh_user", "ssh_user"),
    ("ssh_port", "ssh_port"),
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """All nodes in natural order of their names, and the groups they are in."""

    nodes: tuple[Node, ...] = ()
    groups: Groups = field(default_factory=dict, repr=False)
    _by_name: Mapping[str, Node] = field(default_factory=dict, repr=False)

    def get(self, name: str) -> Node | None:
        """The node of exactly this name."""
        return self._by_name.get(name)

    def select(self, expression: str) -> tuple[Node, ...]:
        """The nodes that a person's expression means, in natural order. Every name in it has to be known."""
        chosen: dict[str, None] = {}
        unknown: list[str] = []
        for term in nodeset.terms(expression):
            if term.source:
                groups = nodeset.names_in(term.group)
                named = [name for group in groups for name in members(self.groups, term.source, group)]
            else:
                named = list(nodeset.names_in(term.nodes))
                unknown += [name for name in named if name not in self._by_name]
            chosen = nodeset.combine(chosen, term.operator, named)
        if unknown:
            raise self._unknown(list(dict.fromkeys(unknown)))
        return tuple(node for node in self.nodes if node.name in chosen)

    def _unknown(self, names: list[str]) -> UnknownNode:
        shown = nodeset.fold(names) if all(map(is_node_name, names)) else ", ".join(names)
        near = nearest(names[0], self._by_name, 3)
        return UnknownNode(
            f"No node is called {_cut(shown)}" if len(names) == 1 else f"No nodes are called {_cut(shown)}",
            cause="Neither Slurm nor the configuration knows that name",
            hint=f"Did you mean {' or '.join(near)}?" if near else "See aami-hpc nodes list",
        )


def build(settings: Settings, slurm_nodes: Iterable[Node]) -> Inventory:
    """Slurm's nodes and the configured ones as one."""
    found = {node.name: node for node in slurm_nodes}
    for entry in settings.nodes.entries:
        said = _said(settings, entry)
        for name in entry.names():
            found[name] = _merged(found.get(name) or _new(name, entry), said)
    nodes = tuple(_addressed(found[name]) for name in sorted(found, key=natural))
    configured = {
        source: {name: ranges.expand(text) for name, text in groups.items()}
        for source, groups in settings.groups.sources.items()
    }
    return Inventory(nodes, collect(nodes, configured), {node.name: node for node in nodes})


@dataclass(frozen=True, slots=True)
class _Said:
    """What one entry of the configuration says, by the field of a node, and where it says so."""

    fields: Mapping[str, Any]
    labels: Mapping[str, str]
    origin: Mapping[str, str]


def _said(settings: Settings, entry: NodeEntry) -> _Said:
    values = {name: getattr(entry, attribute) for name, attribute in _FIELDS}
    fields = {name: value for name, value in values.items() if value not in ("", (), None)}
    at = ("nodes", entry.range)
    origin = {
        name: settings.origin(keys.join([*at, attribute])) for name, attribute in _FIELDS if name in fields
    }
    origin |= {f"labels.{key}": settings.origin(keys.join([*at, "labels", key])) for key in entry.labels}
    return _Said(fields, entry.labels, origin)


def _merged(node: Node, said: _Said) -> Node:
    fields = dict(said.fields)
    if "address" in fields:
        fields["address"] = fields["address"].replace("{name}", node.name)
    labels = {**node.labels, **said.labels}
    return replace(node, **fields, labels=labels, origin={**node.origin, **said.origin})


def _addressed(node: Node) -> Node:
    """Every node can be called by its name, if by nothing else."""
    if node.address:
        return node
    return replace(node, address=node.name, origin={**node.origin, "address": BY_NAME})


def _new(name: str, entry: NodeEntry) -> Node:
    """A node that the configuration alone knows."""
    if is_node_name(name):
        return Node(name, origin={"name": entry.origin})
    raise ConfigInvalid(
        f"{entry.origin or 'The configuration'}: {name!r} can't be the name of a node",
        cause="A name begins with a letter or a digit, goes on with letters, digits, dot, dash and underscore, "
        "and is neither ALL nor DEFAULT",
        hint="Correct the range under `nodes`",
    )


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - what fits in a line
