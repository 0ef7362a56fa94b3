"""Conditions on nodes, as `--where 'state=drain partition=gpu rack!=r12'` writes them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aami_hpc.errors import UsageFault
from aami_hpc.fleet import words
from aami_hpc.fleet.near import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aami_hpc.fleet.inventory import Inventory
    from aami_hpc.model.node import Node

NO_STATE = "none"  # of a node that Slurm does not know
_EXAMPLE = "Write for example --where 'state=drain,down partition=gpu'"


def _state(node: Node) -> frozenset[str]:
    return words.of_node(node) or frozenset({NO_STATE})


# What each key looks at, as words that a value is compared with.
_KEYS: dict[str, Callable[[Node], Iterable[str]]] = {
    "address": lambda node: (node.address,),
    "arch": lambda node: (node.arch,),
    "gpus": lambda node: () if node.gpus is None else (str(node.gpus),),
    "model": lambda node: node.gpu_model.split(","),
    "partition": lambda node: node.partitions,
    "slurm_version": lambda node: (node.slurm_version,),
    "state": _state,
}
_NAME = "name"  # its value is a node set


@dataclass(frozen=True, slots=True)
class Condition:
    """One `key=value,value` or `key!=value,value`."""

    key: str
    values: frozenset[str]
    equal: bool = True

    def holds(self, told: Iterable[str]) -> bool:
        """Whether it is true of what the key looks at."""
        return any(value in self.values for value in told) == self.equal


def choose(inventory: Inventory, nodes: Iterable[Node], text: str) -> tuple[Node, ...]:
    """Those of the nodes for which every condition in the text is true."""
    found = tuple(nodes)
    for condition in conditions(inventory, text):
        look = _look(inventory, condition.key)
        found = tuple(node for node in found if condition.holds(look(node)))
    return found


def conditions(inventory: Inventory, text: str) -> tuple[Condition, ...]:
    """The conditions in the text, or one error that names the first that can't be meant."""
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise UsageFault(f"--where can't be read: {error}", hint=_EXAMPLE) from error
    if not parts:
        raise UsageFault("--where has no condition", hint=_EXAMPLE)
    return tuple(_condition(inventory, part) for part in parts)


def _condition(inventory: Inventory, text: str) -> Condition:
    key, sign, value = text.partition("=")
    equal = not key.endswith("!")
    key = key.removesuffix("!")
    if not sign or not key or not value:
        raise UsageFault(f"--where has the condition {text!r}, which is none", hint=_EXAMPLE)
    keys = _keys(inventory)
    if key not in keys:
        near = nearest(key, keys)
        raise UsageFault(
            f"--where does not know the key {key!r}",
            cause=f"Its keys are {', '.join(keys)}",
            hint=f"Did you mean {near[0]}?" if near else "",
        )
    if key == _NAME:
        return Condition(key, frozenset(node.name for node in inventory.select(value)), equal)
    values = value.split(",")
    if not all(values):
        raise UsageFault(f"--where has an empty value in {text!r}", hint=_EXAMPLE)
    if key == "state":
        values = [_state_word(word) for word in values]
    return Condition(key, frozenset(values), equal)


def _keys(inventory: Inventory) -> list[str]:
    labels = {key for node in inventory.nodes for key in node.labels}
    return sorted({_NAME, *_KEYS, *inventory.groups, *labels})


def _look(inventory: Inventory, key: str) -> Callable[[Node], Iterable[str]]:
    """A key of our own, or the source of groups or label of that name."""
    if key == _NAME:
        return lambda node: (node.name,)
    if key in _KEYS:
        return _KEYS[key]
    groups = inventory.groups.get(key, {})
    return lambda node: [
        *(name for name, members in groups.items() if node.name in members),
        *(value for label, value in node.labels.items() if label == key),
    ]


def _state_word(word: str) -> str:
    asked = words.asked(word)
    if asked not in (*words.STATES, NO_STATE):
        near = nearest(asked, words.STATES)
        raise UsageFault(
            f"--where does not know the state {word!r}",
            cause=f"States are {', '.join(words.STATES)}, and {NO_STATE} of a node that Slurm does not know",
            hint=f"Did you mean {near[0]}?" if near else "",
        )
    return asked
