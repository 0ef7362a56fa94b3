"""Hold a tree against the JSON schema of the configuration: keys, types and values, all problems at once.

The schema comes from the models and is shipped as a file, so that checking does not have to import them: that
would cost more than reading ten thousand nodes. It uses few words of JSON Schema; this knows exactly those,
and takes `format` for the name of a kind of value in values.py.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from aami_hpc.config import keys, values
from aami_hpc.config.fault import Fault, Unavailable
from aami_hpc.config.problem import INVALID, UNAVAILABLE, at
from aami_hpc.config.secret import FileReference, Secret
from aami_hpc.config.tree import Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aami_hpc.config.problem import Problem

    Schema = Mapping[str, Any]
    Path = tuple[str, ...]

_WANTED = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "keys with values",
}


_WANTED_OF_A_KIND = {"time-span": "a duration", "limit": "a number, a text, true or false"}
_FOUND = {**_WANTED, "number": "a fraction"}


class Shape(NamedTuple):
    """A schema without its indirections: what it says about one place."""

    schema: Schema
    nullable: bool

    @property
    def types(self) -> tuple[str, ...]:
        types = self.schema["type"]
        return (types,) if isinstance(types, str) else tuple(types)


class Walk:
    """One walk over a tree. `secrets` are the secrets met on the way, with their keys."""

    def __init__(self, root: Schema, environ: Mapping[str, str]) -> None:
        self._root = root
        self._environ = environ
        self.secrets: list[tuple[str, Item, Secret]] = []

    def problems(self, tree: Item) -> list[Problem]:
        return list(self._visit(tree, self.shape(self._root), ()))

    def shape(self, schema: Schema) -> Shape:
        """Follow references, and tell 'X or nothing' from X."""
        while "$ref" in schema:
            schema = self._root["$defs"][schema["$ref"].rpartition("/")[2]]
        if "anyOf" not in schema:
            return Shape(schema, nullable=False)
        (other,) = (branch for branch in schema["anyOf"] if branch.get("type") != "null")
        return Shape(self.shape(other).schema, nullable=True)

    def child(self, shape: Shape, key: str) -> Shape | None:
        """What the schema says about a key of a mapping; None when there can be no such key."""
        found = shape.schema.get("properties", {}).get(key) or shape.schema.get("additionalProperties")
        return self.shape(found) if found else None

    def filled(self, tree: Item, shape: Shape | None = None) -> Item:
        """The tree with `{}` where a mapping belongs and nothing is written: a section whose keys are comments."""
        shape = shape or self.shape(self._root)
        if isinstance(tree.value, tuple) and "items" in shape.schema:
            of = self.shape(shape.schema["items"])
            return Item(tuple(self.filled(item, of) for item in tree.value), tree.file, tree.line)
        if "object" not in shape.types or not isinstance(tree.value, dict | None):
            return tree
        children = {
            key: self.filled(item, child) if (child := self.child(shape, key)) else item
            for key, item in (tree.value or {}).items()
        }
        return Item(children, tree.file, tree.line)

    def _visit(self, item: Item, shape: Shape, path: Path) -> Iterator[Problem]:
        if item.value is None and shape.nullable:
            return
        if _type(item.value) not in _accepted(shape):
            yield _wrong_type(item, shape, path)
        elif isinstance(item.value, dict):
            yield from self._mapping(item, item.value, shape, path)
        elif isinstance(item.value, tuple):
            of = self.shape(shape.schema["items"])
            for number, child in enumerate(item.value):
                yield from self._visit(child, of, (*path, str(number)))
        else:
            yield from self._scalar(item, shape, path)

    def _mapping(self, item: Item, found: Mapping[str, Item], shape: Shape, path: Path) -> Iterator[Problem]:
        for key in shape.schema.get("required", ()):
            if key not in found:
                yield at(item, keys.join(path), f"lacks the key {key}", "Add it")
        kind = shape.schema.get("propertyNames", {}).get("format")
        for key, inner in found.items():
            child = self.child(shape, key)
            if child is None:
                yield _unknown(inner, (*path, key), list(shape.schema.get("properties", ())))
                continue
            if kind:
                yield from self._judged(inner, kind, key, (*path, key))
            yield from self._visit(inner, child, (*path, key))

    def _scalar(self, item: Item, shape: Shape, path: Path) -> Iterator[Problem]:
        kind = shape.schema.get("format")
        if kind:
            yield from self._judged(item, kind, item.value, path)
        elif "enum" in shape.schema:
            yield from _choice(item, shape.schema["enum"], path)
        else:
            yield from _bounds(item, shape.schema, path)

    def _judged(self, item: Item, kind: str, value: Any, path: Path) -> Iterator[Problem]:
        """Ask the function of this kind of value."""
        key = keys.join(path)
        try:
            made = values.KINDS[kind](value, self._environ)
        except Fault as fault:
            reference = UNAVAILABLE if isinstance(fault, Unavailable) else INVALID
            yield at(item, key, fault.what, fault.hint, reference)
        else:
            if isinstance(made, Secret):
                self.secrets.append((key, item, made))


def _type(value: object) -> str:
    """The schema's word for the type of a value."""
    if isinstance(value, bool):
        return "boolean"
    names = {
        int: "integer",
        float: "number",
        str: "string",
        tuple: "array",
        dict: "object",
        FileReference: "file",
    }
    return names.get(type(value), "null")


def _accepted(shape: Shape) -> set[str]:
    accepted = set(shape.types)
    if "number" in accepted:
        accepted.add("integer")
    if shape.schema.get("format") == "secret":
        accepted.add("file")
    return accepted


def _wrong_type(item: Item, shape: Shape, path: Path) -> Problem:
    key, found = keys.join(path), _type(item.value)
    if found == "null":
        return at(item, key, "has no value", "Give it one, or remove the line")
    if found == "file":
        return at(item, key, "can't be read from a file", "!file is for secrets only")
    wanted = _WANTED_OF_A_KIND.get(shape.schema.get("format", ""), _WANTED[shape.types[0]])
    quotes = wanted == "text" and found in {"integer", "number", "boolean"}
    hint = "Put it in quotes" if quotes else ""
    return at(item, key, f"must be {wanted}, not {_FOUND[found]}", hint)


def _unknown(item: Item, path: Path, known: list[str]) -> Problem:
    *parents, word = path
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"Did you mean {keys.join((*parents, close[0]))}?" if close else f"Known here: {', '.join(known)}"
    return at(item, keys.join(path), "is not a key of the configuration", hint)


def _choice(item: Item, words: list[str], path: Path) -> Iterator[Problem]:
    if item.value not in words:
        close = difflib.get_close_matches(str(item.value), words, n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]}?" if close else ""
        yield at(item, keys.join(path), f"must be {' or '.join(words)}", hint)


def _bounds(item: Item, schema: Schema, path: Path) -> Iterator[Problem]:
    low, high, value = schema.get("minimum"), schema.get("maximum"), item.value
    if not isinstance(value, (int, float)):
        return
    if low is not None and value < low:
        yield at(item, keys.join(path), f"must be at least {low}")
    if high is not None and value > high:
        yield at(item, keys.join(path), f"must be at most {high}")
