"""Node ranges that lead nowhere: in `groups` without a node in `nodes`, or in either without a node in Slurm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.config import keys, ranges
from aami_hpc.config.problem import Problem, at
from aami_hpc.config.tree import find

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from aami_hpc.config.tree import Item


MOST_NODES = 3 * ranges.LIMIT  # in all ranges together, which may overlap


def stray_groups(tree: Item) -> Iterator[Problem]:
    """Ranges of groups that match no node of `nodes`, when that section names any."""
    listed = _children(tree, "nodes")
    if sum(map(ranges.size, listed)) > MOST_NODES:
        yield at(tree, "nodes", f"stands for more than {MOST_NODES} nodes", "Name each range once")
    elif listed and _children(tree, "groups"):
        known = {name for text in listed for name in ranges.names(text)}
        yield from _strays(
            _group_ranges(tree),
            known,
            "no node in nodes",
            "Add the range to nodes, or leave nodes empty to take all nodes from Slurm",
        )


def unknown_to_slurm(tree: Item, known: Collection[str]) -> Iterator[Problem]:
    """Ranges of `nodes` and `groups` that match no node Slurm knows."""
    of_nodes = ((("nodes", text), item, text) for text, item in _children(tree, "nodes").items())
    for found in (of_nodes, _group_ranges(tree)):
        yield from _strays(
            found, known, "no node that Slurm knows", "Correct the range, or add it to slurm.conf"
        )


def _strays(
    found: Iterator[tuple[tuple[str, ...], Item, str]], known: Collection[str], nothing: str, hint: str
) -> Iterator[Problem]:
    for path, item, text in found:
        for term in ranges.terms(text):
            if not any(name in known for name in ranges.names(term)):
                yield at(item, keys.join(path), f"has the range {term}, which matches {nothing}", hint)


def _group_ranges(tree: Item) -> Iterator[tuple[tuple[str, ...], Item, str]]:
    for source, group in _children(tree, "groups").items():
        for name, item in _children(group).items():
            yield ("groups", source, name), item, str(item.value)


def _children(item: Item, *path: str) -> Mapping[str, Item]:
    found = find(item, path)
    return found.value if found is not None and isinstance(found.value, dict) else {}
