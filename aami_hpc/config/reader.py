"""Read one YAML file into a tree that remembers lines, and refuse what would surprise.

Plain scalars are text unless they are null, true, false or a decimal number: `no` and `on` stay words, `0123`
and `1:30` stay as they are written. The parser's events are read without recursion into the C library, with
limits on depth and on what aliases may blow up to.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

import yaml

from aami_hpc.config.problem import SYNTAX, Problem
from aami_hpc.config.secret import FileReference
from aami_hpc.config.tree import Item
from aami_hpc.config.words import told
from aami_hpc.io.files import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aami_hpc.config.tree import Value

SIZE_LIMIT = 4 * 1024 * 1024
DEPTH_LIMIT = 32
VALUE_LIMIT = 300_000  # values in one file, aliases counted as often as they are used

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?|\.[0-9]{1,17})(?:[eE][-+]?[0-9]{1,2})?"
)
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Unparsable(Exception):
    """A text that is not YAML as we accept it, told as a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.where} {problem.what}")
        self.problem = problem


def read(path: Path) -> Item:
    """The tree of one file: always a mapping."""
    return parse(read_text(path, SIZE_LIMIT), path)


def parse(text: str, path: Path) -> Item:
    """The tree of a text that stands, or will stand, in `path`."""
    text = text.removeprefix("\ufeff")
    if "\ufffd" in text:
        line = text.count("\n", 0, text.index("\ufffd")) + 1
        _refuse(path, line, "is not UTF-8 text", "Save the file as UTF-8")
    try:
        events = yaml.parse(text, Loader=_LOADER)
        return _Builder(path, events).document()
    except yaml.YAMLError as error:
        line, what, hint = told(error, text)
    return _refuse(path, line, what, hint)


def _refuse(path: Path, line: int, what: str, hint: str = "") -> NoReturn:
    raise Unparsable(Problem(str(path), line, "", what, hint, SYNTAX)) from None


def resolve(text: str) -> bool | int | float | str | None:
    """What a plain scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Builder:
    """Builds the tree of one document from the parser's events."""

    def __init__(self, path: Path, events: Iterator[yaml.Event]) -> None:
        self._path = path
        self._events = events
        self._anchors: dict[str, tuple[Item, int]] = {}
        self._count = 0

    def document(self) -> Item:
        """The only document there is."""
        top = Item({}, self._path, 1)
        seen = False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    self._stop(event, "begins a second document", "Keep one document, without ---, per file")
                seen = True
                top = self._item(next(self._events), 0)
        if top.value is None:  # nothing but `---`
            return Item({}, self._path, 1)
        if not isinstance(top.value, dict):
            _refuse(
                self._path,
                top.line,
                "must hold keys and values",
                "Begin with the name of a section and a colon",
            )
        return top

    def _item(self, event: yaml.Event, depth: int) -> Item:
        """The value that begins with this event."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._count
        self._counted(event, 1)
        if depth > DEPTH_LIMIT:
            self._stop(event, f"is nested deeper than {DEPTH_LIMIT} levels")
        item = Item(self._value(event, depth), self._path, _line(event))
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            if item.value is None:
                self._stop(event, "has an anchor without a value", "Text that begins with & needs quotes")
            self._anchors[anchor] = (item, self._count - before)
        return item

    def _value(self, event: yaml.Event, depth: int) -> Value:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if getattr(event, "tag", None) not in {None, "!"}:
            self._unknown_tag(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth)
        return tuple(self._until(yaml.SequenceEndEvent, depth))

    def _until(self, end: type[yaml.Event], depth: int) -> Iterator[Item]:
        while not isinstance(event := next(self._events), end):
            yield self._item(event, depth + 1)

    def _mapping(self, depth: int) -> dict[str, Item]:
        found: dict[str, Item] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.tag not in {None, "!"}:
                self._stop(
                    event, "has a key that is not plain text", "Text that begins with * or ! needs quotes"
                )
            key = event.value
            if key in found:
                self._stop(event, f"repeats the key {key!r} of line {found[key].line}", "Keep one of them")
            item = self._item(next(self._events), depth + 1)
            found[key] = Item(item.value, self._path, _line(event))
        return found

    def _scalar(self, event: yaml.ScalarEvent) -> Value:
        if event.tag == "!file":
            if not event.value.strip():
                self._stop(event, "has !file without a path", "Write !file /path/of/the/secret")
            return FileReference(event.value, self._path.parent)
        if event.tag not in {None, "!"}:
            self._unknown_tag(event)
        value: str = event.value
        return resolve(value) if event.tag is None and not event.style else value

    def _alias(self, event: yaml.AliasEvent) -> Item:
        known = self._anchors.get(event.anchor or "")
        if known is None:
            self._stop(
                event,
                "refers to an anchor that is not defined before it",
                "Text that begins with * needs quotes",
            )
        item, size = known
        self._counted(event, size)
        return item

    def _counted(self, event: yaml.Event, size: int) -> None:
        self._count += size
        if self._count > VALUE_LIMIT:
            self._stop(event, f"makes more than {VALUE_LIMIT} values", "Use fewer aliases of aliases")

    def _unknown_tag(self, event: yaml.Event) -> NoReturn:
        self._stop(event, "has a tag that is not !file", "Text that begins with ! needs quotes")

    def _stop(self, event: yaml.Event, what: str, hint: str = "") -> NoReturn:
        _refuse(self._path, _line(event), what, hint)
