"""The known words nearest to a wrong one, quickly also among tens of thousands."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLOSE = 0.75
_MANY = 2000  # above that, only words with the same beginning are compared


def nearest(word: str, known: Iterable[str], number: int = 1) -> list[str]:
    """Up to `number` known words that look like it, the nearest first."""
    candidates = list(known)
    size = len(word)
    while len(candidates) > _MANY and size > 0:
        size -= 1
        alike = [other for other in candidates if other.startswith(word[:size])]
        if alike:
            candidates = alike[:_MANY]
    return difflib.get_close_matches(word[:200], candidates[:_MANY], n=number, cutoff=_CLOSE)
