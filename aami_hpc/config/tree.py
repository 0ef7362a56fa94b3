"""Values with the place each was written at, and how the trees of several files become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aami_hpc.config.secret import FileReference

    Value: TypeAlias = "bool | int | float | str | FileReference | tuple[Item, ...] | dict[str, Item] | None"


class Item:
    """A value and the line of its key. It shows no value: it may be a secret."""

    __slots__ = ("file", "line", "value")

    def __init__(self, value: Value, file: Path, line: int) -> None:
        self.value = value
        self.file = file
        self.line = line

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"

    def __repr__(self) -> str:
        return f"<value at {self.where}>"


def merge(under: Item, over: Item) -> Item:
    """Mappings are joined key by key; anything else in `over` replaces what is under it."""
    if not isinstance(under.value, dict) or not isinstance(over.value, dict):
        return over
    joined = dict(under.value)
    for key, item in over.value.items():
        joined[key] = merge(joined[key], item) if key in joined else item
    return Item(joined, under.file, under.line)


def plain(item: Item) -> Any:
    """The values alone, as pydantic takes them."""
    if isinstance(item.value, dict):
        return {key: plain(child) for key, child in item.value.items()}
    if isinstance(item.value, tuple):
        return [plain(child) for child in item.value]
    return item.value


def find(item: Item | None, parts: Sequence[str]) -> Item | None:
    """What stands at a path of keys, if anything does."""
    for part in parts:
        if item is None or not isinstance(item.value, dict):
            return None
        item = item.value.get(part)
    return item
