"""Keys from the command line: whether there is such a key, and which is the nearest when there is none."""

from __future__ import annotations

import difflib

from aami_hpc.config import keys
from aami_hpc.config.schema import schema
from aami_hpc.config.shape import Walk
from aami_hpc.errors import UsageFault


def parts_of(key: str) -> tuple[str, ...]:
    """The parts of a key that the schema knows."""
    parts = keys.split(key)
    if not parts:
        raise UsageFault(f"{key!r} can't be read as a key", hint="Keys look like ssh.user")
    root = schema()
    walk = Walk(root, {})
    shape = walk.shape(root)
    for depth, part in enumerate(parts):
        child = walk.child(shape, part)
        if child is None:
            raise _unknown(parts[: depth + 1], list(shape.schema.get("properties", ())))
        shape = child
    return parts


def not_set(parts: tuple[str, ...], there: list[str]) -> UsageFault:
    """The error for a key that could be, but is not, in a mapping that has the keys `there`."""
    return UsageFault(f"{keys.join(parts)} is not set", hint=_hint(parts, there) if there else "")


def _unknown(parts: tuple[str, ...], known: list[str]) -> UsageFault:
    return UsageFault(f"There is no key {keys.join(parts)}", hint=_hint(parts, known))


def _hint(parts: tuple[str, ...], known: list[str]) -> str:
    *parents, word = parts
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {keys.join((*parents, close[0]))}?"
    if not known:
        return f"{keys.join(parents)} has no keys below it" if parents else ""
    return f"Known here: {', '.join(sorted(known)[:20])}"
