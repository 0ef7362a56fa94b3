"""How checks take values out of facts: what is of the wrong kind becomes an `error` finding, never a crash or a fault."""

from aami_slurm.clock import stamp
from aami_slurm.finding import CONFIG, ERROR, Finding
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional

    from aami_slurm.facts import Facts

ALL_ONES = frozenset([0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF])  # what a register of a dead device reads as
NOW = -1  # read in this very hook
RAW = 400  # characters of evidence kept


class Garbled(Exception):  # noqa: N818 - the house's way to name errors
    """A fact holds something that no driver or kernel says."""


class BadLimit(Exception):  # noqa: N818 - the house's way to name errors
    """The policy gives a limit of the wrong kind: outcome `config`."""


def _garbled(key: "str", value: "Any") -> "Garbled":
    return Garbled("%s: %s" % (key, plain(repr(value), 60)))


def whole(row: "Dict[str, Any]", key: "str", least: "int" = 0) -> "Optional[int]":
    """A whole number, or None where there is no such value."""
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least or value in ALL_ONES:
        raise _garbled(key, value)
    return value


def real(row: "Dict[str, Any]", key: "str") -> "Optional[float]":
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124 - NaN
        raise _garbled(key, value)
    return float(value)


def flag(row: "Dict[str, Any]", key: "str") -> "Optional[bool]":
    """True or False, also said as 1 or 0."""
    value = row.get(key)
    if value is None:
        return None
    if value is True or value is False or (isinstance(value, int) and value in {0, 1}):
        return bool(value)
    raise _garbled(key, value)


def word(row: "Dict[str, Any]", key: "str") -> "Optional[str]":
    value = row.get(key)
    if value is None or isinstance(value, str):
        return value
    raise _garbled(key, value)


def part(row: "Dict[str, Any]", key: "str") -> "Dict[str, Any]":
    """The object below a key; an empty one where there is no such value."""
    value = row.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _garbled(key, value)
    return value


def rows(told: "Any", key: "str") -> "List[Any]":
    """The list below a key. Its items are looked at one by one: a bad one must not hide the others."""
    found = told.get(key) if isinstance(told, dict) else None
    if not isinstance(found, list):
        raise _garbled(key, found)
    return found


def named(told: "Any", what: "str") -> "List[Any]":
    """(name, row) of a fact that is an object of objects, by name."""
    if not isinstance(told, dict):
        raise _garbled(what, told)
    return sorted(told.items())


def limit(limits: "Dict[str, Any]", key: "str", usual: "Any") -> "Any":
    """A limit of the same kind as its default. A number may have a fraction."""
    value = limits.get(key, usual)
    kinds = (int, float) if isinstance(usual, (int, float)) else type(usual)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise BadLimit("limit %s: %s" % (key, plain(repr(value), 60)))
    return value


def texts(limits: "Dict[str, Any]", key: "str", usual: "List[str]") -> "List[str]":
    """A limit that is a list of names."""
    value = limit(limits, key, usual)
    if not all(isinstance(name, str) for name in value):
        raise BadLimit("limit %s: %s" % (key, plain(repr(value), 60)))
    return list(value)


def say(
    facts: "Facts",
    outcome: "str",
    summary: "str",
    *,
    source: "str",
    raw: "Any",
    code: "str",
    mono_us: "Optional[int]" = NOW,
    gpu_uuid: "Optional[str]" = None,
    gpu: "Optional[int]" = None,
    action: "Optional[str]" = None,
) -> "Finding":
    """A finding with the value it rests on, and when that was read; None where nobody knows when."""
    mono_us = facts.mono_us if mono_us == NOW else mono_us
    time = None if mono_us is None else stamp(facts.now - (facts.mono_us - mono_us) / 1000000)
    evidence = {"source": source, "raw": str(raw)[:RAW], "time": time, "mono_us": mono_us}
    return Finding(outcome, summary, code=code, gpu_uuid=gpu_uuid, gpu=gpu, evidence=evidence, action=action)


def unreadable(facts: "Facts", error: "Exception", source: "str", **about: "Any") -> "Finding":
    """The finding for a value that can't be what it should be, or for a limit that can't."""
    if isinstance(error, BadLimit):
        return say(facts, CONFIG, str(error), source="policy", raw=error, code="limit")
    return say(facts, ERROR, "unreadable: %s" % error, source=source, raw=error, code="garbled", **about)


def each(
    facts: "Facts",
    source: "str",
    items: "Callable[[], Iterable[Any]]",
    judge: "Callable[..., List[Finding]]",
) -> "List[Finding]":
    """What `judge` says of every row, or of every (name, row). One that can't be read doesn't hide the others."""
    found: "List[Finding]" = []
    try:
        for item in items():
            named_row = item if isinstance(item, tuple) else (item,)
            try:
                if not isinstance(named_row[-1], dict):
                    raise _garbled("row", item)
                found.extend(judge(*named_row))
            except Garbled as error:
                found.append(unreadable(facts, error, source))
    except (Garbled, BadLimit) as error:
        found.append(unreadable(facts, error, source))
    return found
