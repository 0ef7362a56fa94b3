"""slurm.conf as text: read with all it includes, and written anew with some keys changed. Slurm itself judges it."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from aami_hpc.fleet.survey.tree import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from aami_hpc.fleet.survey.tree import Tree

_LIMIT = 8 * 1024 * 1024
_DEPTH = 16  # files that include each other
_INCLUDE = re.compile(r"\s*include\s+(\S+)\s*", re.IGNORECASE)
_PAIR = re.compile(r'\s*([A-Za-z]\w*)\s*[-+*/]?=\s*(?:"[^"]*"|[^\s"]*)')
_COMMENT = re.compile(r"(?<!\\)#.*", re.DOTALL)
# Lines that begin so describe nodes and the like: their words are not the keys we change.
_LISTS = frozenset({"nodename", "partitionname", "nodeset", "frontendname", "downnodes", "switchname"})


def whole(tree: Tree, path: str, cluster: str = "") -> Text:
    """The file with the files it includes in their places, or why that can't be had."""
    try:
        return Text("\n".join(_lines(tree, path, cluster, 0)) + "\n")
    except _Unreadable as error:
        return Text(why=str(error))


def with_lines(text: str, keys: Collection[str], lines: Iterable[str]) -> str:
    """The text without these keys, and with these lines at its end."""
    gone = {key.lower() for key in keys}
    kept = [left for line in _joined(text) if (left := _without(line, gone)) is not None]
    return "\n".join([*kept, *lines]) + "\n"


class _Unreadable(Exception):
    """A file that is part of the configuration can't be read."""


def _lines(tree: Tree, path: str, cluster: str, depth: int) -> Iterator[str]:
    found = tree.read(path, limit=_LIMIT)
    if found.why:
        raise _Unreadable(f"{path}: {found.why}")
    if depth > _DEPTH:
        raise _Unreadable(f"{path}: its files include each other")
    for line in _joined(found.words):
        included = _INCLUDE.fullmatch(_COMMENT.sub("", line))
        if included is None:
            yield line
            continue
        name = included[1].replace("%c", cluster)
        yield from _lines(tree, posixpath.join(posixpath.dirname(path), name), cluster, depth + 1)


def _joined(text: str) -> Iterator[str]:
    """Lines as Slurm takes them: a backslash at the end continues one."""
    kept = ""
    for line in text.splitlines():
        kept += line
        if kept.endswith("\\") and not _COMMENT.search(kept):
            kept = kept[:-1]
            continue
        yield kept
        kept = ""
    if kept:
        yield kept


def _without(line: str, keys: Collection[str]) -> str | None:
    """The line without assignments of these keys; None when nothing else was on it."""
    pairs = _COMMENT.sub("", line)
    first = _PAIR.match(pairs)
    if first is None or first[1].lower() in _LISTS:
        return line
    left = _PAIR.sub(lambda found: "" if found[1].lower() in keys else found[0], pairs)
    if left == pairs:
        return line
    return left if left.strip() else None
