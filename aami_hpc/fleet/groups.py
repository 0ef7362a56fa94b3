"""Groups of nodes, `@source:name`: partitions and states from Slurm, others from `groups` and from labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aami_hpc.errors import UnknownGroup
from aami_hpc.fleet import words
from aami_hpc.fleet.near import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aami_hpc.model.node import Node

PARTITION = "partition"
STATE = "state"
_NAME = re.compile(r"[A-Za-z0-9_.-]+")  # what can stand behind @ and behind the colon
_SHOWN = 12

Groups = dict[str, dict[str, dict[str, None]]]  # source, name, names of nodes in order


def collect(nodes: Iterable[Node], configured: Mapping[str, Mapping[str, Iterable[str]]]) -> Groups:
    """Every group there is. Words of Slurm's states are there also when no node is in that state."""
    found: Groups = {PARTITION: {}, STATE: {word: {} for word in words.STATES}}
    known = []
    for node in nodes:
        known.append(node.name)
        for partition in node.partitions:
            _add(found, PARTITION, partition, node.name)
        for word in words.of_node(node):
            _add(found, STATE, word, node.name)
        for key, value in node.labels.items():
            if key not in (PARTITION, STATE) and _NAME.fullmatch(key) and _NAME.fullmatch(value):
                _add(found, key, value, node.name)
    inventory = set(known)
    for source, groups in configured.items():
        for name, members in groups.items():
            group = found.setdefault(source, {}).setdefault(name, {})
            group.update(dict.fromkeys(member for member in members if member in inventory))
    return found


def members(groups: Groups, source: str, name: str) -> Iterable[str]:
    """The nodes of one group, or an error that says which groups there are."""
    if source not in groups:
        raise UnknownGroup(
            f"There is no source of groups called {source!r}",
            cause=f"There are {_list(groups)}",
            hint=_did_you_mean(source, groups) or "Add one under `groups` in the configuration",
        )
    names = groups[source]
    found = names.get(words.asked(name) if source == STATE else name)
    if found is None:
        raise UnknownGroup(
            f"There is no group @{source}:{name}",
            cause=f"The groups of {source} are {_list(names)}"
            if names
            else f"There are no groups of {source}",
            hint=_did_you_mean(name, names) or "See aami-hpc nodes list",
        )
    return found


def _add(found: Groups, source: str, name: str, node: str) -> None:
    found.setdefault(source, {}).setdefault(name, {})[node] = None


def _list(words_there: Iterable[str]) -> str:
    """Some of the words, and how many more there are."""
    every = sorted(words_there)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def _did_you_mean(word: str, there: Iterable[str]) -> str:
    near = nearest(word, there)
    return f"Did you mean {near[0]}?" if near else ""
