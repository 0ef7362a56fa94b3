"""Write values as YAML for people: the keys in order, lists on one line, where each came from as a comment."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from aami_hpc.config import keys
from aami_hpc.config.reader import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Origin = Callable[[str], str]

_WORD = re.compile(r"[A-Za-z/~][A-Za-z0-9_./@~+-]*|[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h)")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.,\[\]-]*")
_FALSE_FRIENDS = frozenset(
    {"y", "n", "yes", "no", "on", "off"}
)  # other YAML readers take them for true or false


def lines(data: Mapping[str, Any], origin: Origin | None = None) -> Iterator[str]:
    """The mapping as lines of YAML."""
    yield from _mapping(data, origin, ())


def leaves(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every value that is no mapping, or an empty one."""
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, str):
        return _text(value, _WORD)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key, _WORD)}: {flow(part)}" for key, part in value.items()) + "}"
    return json.dumps(value)


def _mapping(data: Mapping[str, Any], origin: Origin | None, path: tuple[str, ...]) -> Iterator[str]:
    indent = "  " * len(path)
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, dict) and value:
            yield f"{indent}{_text(key, _KEY)}:"
            yield from _mapping(value, origin, here)
        else:
            source = f"  # {origin(keys.join(here))}" if origin else ""
            yield f"{indent}{_text(key, _KEY)}: {flow(value)}{source}"


def _text(text: str, plain: re.Pattern[str]) -> str:
    safe = plain.fullmatch(text) and text.lower() not in _FALSE_FRIENDS and resolve(text) == text
    return text if safe else json.dumps(text, ensure_ascii=not text.isprintable())
