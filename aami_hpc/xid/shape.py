"""Plain data into frozen values, strictly: every key known, none missing, every type right, no empty words."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
_NAMES = {int: "a whole number", str: "text", bool: "true or false"}


class Wrong(ValueError):
    """`key` is the path to what is wrong, such as `causes.0.likelihood`."""

    def __init__(self, key: str, words: str) -> None:
        super().__init__(f"{key} {words}" if key else words)
        self.key = key


def build(cls: type[T], raw: Any, path: str = "") -> T:
    """A value of a dataclass from a mapping with exactly its keys; those with a default may be left out."""
    if not isinstance(raw, dict):
        raise Wrong(path, "must be a mapping")
    known: dict[str, tuple[Any, bool, str]] = _known(cast("Any", cls))
    for key in raw:
        if key not in known:
            raise Wrong(_at(path, key), "is not a key of the schema")
    for key, (_, needed, _) in known.items():
        if needed and key not in raw:
            raise Wrong(_at(path, key), "is missing")
    given = {known[key][2]: _value(known[key][0], value, _at(path, key)) for key, value in raw.items()}
    return cls(**given)


@cache
def _known(cls: Any) -> dict[str, tuple[Any, bool, str]]:
    """Every key's type, and whether it has to be there. A word of Python's own ends with `_` as a field."""
    hints = get_type_hints(cls)
    return {
        field.name.rstrip("_"): (hints[field.name], field.default is MISSING, field.name)
        for field in fields(cls)
    }


def _at(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _value(kind: Any, value: Any, path: str) -> Any:
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        inner = next(one for one in get_args(kind) if one is not type(None))
        return None if value is None else _value(inner, value, path)
    if origin is Literal:
        if value not in get_args(kind):
            raise Wrong(path, f"must be one of {', '.join(get_args(kind))}")
        return value
    if origin is tuple:
        return _items(get_args(kind)[0], value, path)
    if origin is Mapping:
        return _mapping(get_args(kind), value, path)
    if is_dataclass(kind):
        return build(cast("type[Any]", kind), value, path)
    return _scalar(kind, value, path)


def _items(kind: Any, value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise Wrong(path, "must be a list")
    return tuple(_value(kind, item, _at(path, number)) for number, item in enumerate(value))


def _mapping(kinds: tuple[Any, Any], value: Any, path: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise Wrong(path, "must be a mapping")
    return {
        _value(kinds[0], key, path): _value(kinds[1], item, _at(path, key)) for key, item in value.items()
    }


def _scalar(kind: type[Any], value: Any, path: str) -> Any:
    if type(value) is not kind:
        raise Wrong(path, f"must be {_NAMES[kind]}, not {value!r}")
    if isinstance(value, str) and not value.strip():
        raise Wrong(path, "must not be empty")
    return value.strip() if isinstance(value, str) else value
