"""Slurm's node ranges, `gpu-[001-128,140]`: their grammar, and the names they stand for.

The grammar is Slurm's own, which is wider than that of node set libraries: `gpu-[08-102]` counts with two
digits and goes on with three. Sizes are known before anything is expanded.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

from aami_hpc.config.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 100_000  # names one range may stand for; Slurm itself ends at 65,533 nodes

_CHAR = r"[A-Za-z0-9_.-]"
_SPAN = r"[0-9]{1,18}(?:-[0-9]{1,18})?"
_BRACKET = rf"\[{_SPAN}(?:,{_SPAN})*\]"
_TERM = rf"(?=[A-Za-z0-9_\[])(?:{_CHAR}|{_BRACKET})+"
_PART = re.compile(rf"{_BRACKET}|{_CHAR}+")
_HINT = "Write node ranges as Slurm does, for example gpu-[001-128,140]"

_SPLIT = re.compile(rf"(?:{_CHAR}|{_BRACKET})+")

PATTERN = rf"^{_TERM}(?:,{_TERM})*$"
_RANGE = re.compile(PATTERN)


def check(text: str) -> str:
    """The text itself, when it is a range of a size we can work with."""
    if text.upper() == "ALL":
        raise Fault("is the word ALL, which must never reach Slurm, and no node range", _HINT)
    if "\n" in text or not _RANGE.match(text):
        raise Fault("is no node range", _HINT)
    if size(text) > LIMIT:
        raise Fault(f"stands for more than {LIMIT} nodes", "Split it into ranges of real nodes")
    return text


def size(text: str) -> int:
    """How many names a well-formed range stands for."""
    return sum(map(_size, terms(text)))


def terms(text: str) -> list[str]:
    """The parts of a range between its outer commas."""
    return _SPLIT.findall(text)


def names(text: str) -> Iterator[str]:
    """Every name a checked range stands for, in order; a range that says one twice gives it twice."""
    for term in terms(text):
        parts = [_alternatives(part) for part in _PART.findall(term)]
        yield from map("".join, product(*parts))


def expand(text: str) -> tuple[str, ...]:
    """The names of a range, each once. Raises Fault when it is none."""
    return tuple(dict.fromkeys(names(check(text))))


def _size(term: str) -> int:
    product_of_parts = 1
    for part in _PART.findall(term):
        if part[0] == "[":
            product_of_parts *= sum(_count(*_ends(span)) for span in part[1:-1].split(","))
    return product_of_parts


def _count(low: str, high: str) -> int:
    if int(high) < int(low):
        raise Fault("counts backwards", "Write the lower number first")
    return int(high) - int(low) + 1


def _ends(span: str) -> tuple[str, str]:
    low, _, high = span.partition("-")
    return low, high or low


def _alternatives(part: str) -> list[str]:
    if part[0] != "[":
        return [part]
    found: list[str] = []
    for span in part[1:-1].split(","):
        low, high = _ends(span)
        width = len(low)
        found += [str(number).zfill(width) for number in range(int(low), int(high) + 1)]
    return found
