"""Add and remove entries of `nodes` in the text of a configuration, and leave every other line as it stands.

Only the lines or the key of an entry are touched. What comes out is read back with the configuration's own
reader: a text that means anything but what was asked for is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from aami_hpc.config import emit, ranges, reader
from aami_hpc.config.tree import plain
from aami_hpc.errors import ConfigError, ConfigSyntax
from aami_hpc.fleet.nodeset import fold

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

_SECTION = "nodes"
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.,\[\]-]*")
_BLOCK_SCALARS = ("|", ">")
_QUOTES = ("'", '"')


@dataclass(frozen=True, slots=True)
class _Edit:
    """Replace the text between two places."""

    start: int
    end: int
    text: str


def add(text: str, path: Path, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The text with these entries, by their names, behind those it has."""
    wanted = _tree(text, path)
    wanted[_SECTION] = {**(wanted.get(_SECTION) or {}), **entries}
    return _proven(_apply(text, _adding(_Place(text), entries)), path, wanted)


def remove(text: str, path: Path, names: Collection[str]) -> str:
    """The text without these names: an entry goes, or its range is left with the others it stands for."""
    wanted = _tree(text, path)
    kept = {key: _rest(key, names) for key in wanted.get(_SECTION) or {}}
    wanted[_SECTION] = {
        rest: value for key, value in (wanted.get(_SECTION) or {}).items() if (rest := kept[key])
    }
    return _proven(_apply(text, _removing(_Place(text), kept)), path, wanted)


def _rest(key: str, names: Collection[str]) -> str:
    """The range without the names; the very same text where none of them is in it."""
    every = ranges.expand(key)
    rest = [name for name in every if name not in names]
    return key if len(rest) == len(every) else fold(rest)


class _Place:
    """Where the entries of `nodes` stand in a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self._starts = [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", text))]
        document = yaml.compose(text, Loader=_LOADER)
        pairs = document.value if isinstance(document, yaml.MappingNode) else []
        found = [pair for pair in pairs if pair[0].value == _SECTION]
        self.value: yaml.Node | None = found[0][1] if found else None

    @property
    def pairs(self) -> Sequence[tuple[yaml.Node, yaml.Node]]:
        return self.value.value if isinstance(self.value, yaml.MappingNode) else ()

    @property
    def flow(self) -> bool:
        return bool(getattr(self.value, "flow_style", False))

    def start(self, node: yaml.Node) -> int:
        return self._starts[node.start_mark.line] + node.start_mark.column

    def end(self, node: yaml.Node) -> int:
        """Behind the last character of the node; the parser's own end of a block lies behind its comments."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            key, value = last if isinstance(last, tuple) else (last, last)
            return self.end(value) if value.start_mark.index != value.end_mark.index else self.end(key)
        if getattr(node, "style", None) in _BLOCK_SCALARS:
            return self._starts[node.end_mark.line] - 1
        return self._starts[node.end_mark.line] + node.end_mark.column

    def line(self, offset: int) -> int:
        """Where the line of that place begins."""
        return self.text.rfind("\n", 0, offset) + 1

    def next_line(self, offset: int) -> int:
        """Where the line behind that place begins; the end of the text when there is none."""
        return self.text.find("\n", offset) + 1 or len(self.text)


def _adding(place: _Place, entries: Mapping[str, Mapping[str, Any]]) -> Iterator[_Edit]:
    section, head, indent = place.value, "", "  "
    if section is None:
        at, head = len(place.text), f"{_SECTION}:{place.newline}"
    elif place.pairs and place.flow:
        flow = ", ".join(f"{json.dumps(name)}: {emit.flow(dict(entry))}" for name, entry in entries.items())
        end = place.end(section) - 1
        yield _Edit(end, end, f", {flow}")
        return
    elif place.pairs:
        at = place.next_line(place.end(section))
        indent = " " * place.pairs[0][0].start_mark.column
    else:  # `nodes:`, `nodes: {}`, `nodes: ~`
        yield _Edit(place.start(section), place.end(section), "")
        at = place.next_line(place.end(section))
    lines = emit.lines({name: dict(entry) for name, entry in entries.items()})
    block = "".join(f"{indent}{line}{place.newline}" for line in lines)
    before = place.newline if at and place.text[at - 1] != "\n" else ""
    yield _Edit(at, at, f"{before}{head}{block}")


def _removing(place: _Place, kept: Mapping[str, str]) -> Iterator[_Edit]:
    going = [not kept[key.value] for key, _ in place.pairs]
    for number, (key, value) in enumerate(place.pairs):
        rest = kept[key.value]
        if going[number] and place.flow:
            yield _cut_flow(place, number, all(going[:number]))
        elif going[number]:
            end = place.end(value) if value.start_mark.index != value.end_mark.index else place.end(key)
            yield _Edit(place.line(place.start(key)), place.next_line(end), "")
        elif rest != key.value:
            quoted = isinstance(key, yaml.ScalarNode) and key.style in _QUOTES
            bare = not quoted and not place.flow and _PLAIN_KEY.fullmatch(rest)
            yield _Edit(place.start(key), place.end(key), rest if bare else json.dumps(rest))


def _cut_flow(place: _Place, number: int, first: bool) -> _Edit:  # noqa: FBT001 - reads well where it is used
    """An entry between braces goes with the comma beside it."""
    key, value = place.pairs[number]
    if not first:
        return _Edit(place.end(place.pairs[number - 1][1]), place.end(value), "")
    more = number + 1 < len(place.pairs)
    return _Edit(place.start(key), place.start(place.pairs[number + 1][0]) if more else place.end(value), "")


def _apply(text: str, edits: Iterator[_Edit]) -> str:
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _tree(text: str, path: Path) -> dict[str, Any]:
    try:
        tree: dict[str, Any] = plain(reader.parse(text, path))
    except reader.Unparsable as refused:
        problem = refused.problem
        raise ConfigSyntax(f"{problem.where} {problem.what}", hint=problem.hint) from None
    return tree


def _proven(text: str, path: Path, wanted: Mapping[str, Any]) -> str:
    try:
        found = plain(reader.parse(text, path))
    except reader.Unparsable:
        found = None
    if found is not None and _same(found, wanted):
        return text
    raise ConfigError(
        f"The nodes in {path} can't be changed without touching other values",
        cause="They are written in a way that this command does not edit; nothing was written",
        hint="Edit the file by hand, then check it: aami-hpc config check",
    )


def _same(found: dict[str, Any], wanted: Mapping[str, Any]) -> bool:
    nodes, expected = found.get(_SECTION) or {}, wanted.get(_SECTION) or {}
    others = {key: value for key, value in found.items() if key != _SECTION}
    return (
        nodes == expected
        and list(nodes) == list(expected)
        and others == {key: value for key, value in wanted.items() if key != _SECTION}
    )
