"""Change one value in the text of a configuration and leave every other line as it stands.

ruamel.yaml finds out how the new value is written. Of what it gives, only the lines that carry the value are
taken, and the result is read back with our own reader: a text in which anything else has changed is refused.
"""

from __future__ import annotations

import difflib
import io
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from aami_hpc.config import keys, reader
from aami_hpc.config.tree import plain
from aami_hpc.errors import ConfigError, ConfigSyntax, UsageFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    Code = tuple[str, int, int, int, int]

_MARK = "value"  # the key under which a value from the command line is parsed
_HEAD = re.compile(r"\A(?:[ \t]*(?:#.*)?\n)*---[ \t]*(?:#.*)?\n")  # ruamel loses comments before `---`
_DEEP_LIST = re.compile(r"^(\s*)[^\s#].*:[ \t]*\n\1[ \t]+- ", re.MULTILINE)
_MOST_HUNKS = 200


def changed(text: str, path: Path, parts: tuple[str, ...], value: str) -> str:
    """The text with the value at `parts` replaced or added."""
    wanted = _tree(text, path)
    _put(wanted, parts, _meaning(value, path), {})
    try:
        made = _edited(text.replace("\r\n", "\n"), parts, value)
    except (YAMLError, ValueError) as error:
        raise _by_hand(path, parts) from error
    if "\r\n" in text:
        made = made.replace("\n", "\r\n")
    for candidate in _candidates(text, made):
        if _means(candidate, path, wanted):
            return candidate
    raise _by_hand(path, parts)


def _tree(text: str, path: Path) -> Any:
    try:
        return plain(reader.parse(text, path))
    except reader.Unparsable as refused:
        problem = refused.problem
    raise ConfigSyntax(f"{problem.where} {problem.what}", hint=problem.hint)


def _meaning(value: str, path: Path) -> Any:
    """What the value is for our reader."""
    if "\n" in value or "\r" in value:
        raise UsageFault("The value has a line break in it", hint="Write it on one line, lists as [a, b]")
    try:
        value.encode()
        return plain(reader.parse(_line(value), path))[_MARK]
    except UnicodeEncodeError:
        raise UsageFault("The value is not UTF-8 text") from None
    except reader.Unparsable as refused:
        problem = refused.problem
    raise UsageFault(f"The value {problem.what}", hint=problem.hint)


def _line(value: str) -> str:
    return f"{_MARK}: {value or repr('')}\n"


def _edited(text: str, parts: tuple[str, ...], value: str) -> str:
    """The text as ruamel writes it after the change."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    if _DEEP_LIST.search(text):
        yaml.indent(mapping=2, sequence=4, offset=2)
    head = match[0] if (match := _HEAD.match(text)) else ""
    document = yaml.load(text[len(head) :])
    if document is None:  # only comments: they belong before what is added
        head, document = _ended(text), CommentedMap()
    _put(document, parts, yaml.load(_line(value))[_MARK], CommentedMap())
    stream = io.StringIO()
    yaml.dump(document, stream)
    return head + stream.getvalue()


def _put(document: Any, parts: tuple[str, ...], value: Any, empty: Any) -> None:
    """Set the value, and make the mappings on the way to it, like `empty`."""
    here = document
    for part in parts[:-1]:
        if here.get(part) is None:
            here[part] = type(empty)()
        here = here[part]
        if not isinstance(here, type(empty)):
            raise ConfigError(
                f"{keys.join(parts)} can't be set: there are no keys below {part}",
                hint="Correct the file first: aami-hpc config check",
            )
    here[parts[-1]] = value


def _candidates(text: str, made: str) -> Iterator[str]:
    """The text as it is, then with one of the changes, for each of them; last with all of them."""
    yield text
    old, new = text.splitlines(keepends=True), made.splitlines(keepends=True)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for start, end, lines in islice(_hunks(matcher.get_opcodes(), new), _MOST_HUNKS):
        before = old[:start]
        if before:
            before[-1] = _ended(before[-1])
        yield "".join([*before, *lines, *old[end:]])
    yield made


def _hunks(codes: Iterable[Code], new: list[str]) -> Iterator[tuple[int, int, list[str]]]:
    """What to put in place of which old lines; the smaller parts of a change before the whole."""
    for tag, start, end, new_start, new_end in codes:
        if tag == "equal":
            continue
        lines = new[new_start:new_end]
        more = len(lines) - (end - start)
        if more == 0:
            yield from ((start + place, start + place + 1, [line]) for place, line in enumerate(lines))
        elif more > 0:  # lines were added before or after those that only look different
            yield start, start, lines[:more]
            yield end, end, lines[-more:]
        yield start, end, lines


def _means(text: str, path: Path, wanted: Any) -> bool:
    try:
        return _same(plain(reader.parse(text, path)), wanted)
    except reader.Unparsable:
        return False


def _same(one: Any, other: Any) -> bool:
    """Equal in type, too: for Python, 1 is true."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _by_hand(path: Path, parts: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        f"{keys.join(parts)} can't be set in {path} without touching other values",
        hint="Nothing was written: edit the file by hand",
    )
