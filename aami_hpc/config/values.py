"""What one value may be: a function per kind, used by the models and by `config check` alike.

Each takes what YAML gave and the environment, and gives the value as the product uses it or raises Fault.
They import nothing heavy: checking ten thousand nodes must not cost more than starting a few interpreters.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aami_hpc.config import ranges
from aami_hpc.config.fault import Fault
from aami_hpc.config.secret import Secret
from aami_hpc.config.variables import expand, home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Environ = Mapping[str, str]

DURATION = r"^[0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h)$"
NAME = r"^[A-Za-z0-9_.-]+$"
WEEK = 7 * 24 * 3600
RESERVED_SOURCES = frozenset({"partition", "state"})  # these groups come from Slurm

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def text(value: str, environ: Environ) -> str:
    """One line of text, with its variables replaced."""
    found = expand(value, environ)
    if not found.isprintable():
        raise Fault("has a line break or an invisible character in it")
    return found


def path(value: str, environ: Environ) -> Path:
    """An absolute path: what a relative one means would depend on where the command was started."""
    found = text(value, environ)
    if found == "~" or found.startswith("~/"):
        found = home(environ) + found[1:]
    if not found.startswith("/"):
        raise Fault("must be an absolute path", "Begin it with / or ~/")
    return Path(found)


def duration(value: str | float, environ: Environ | None = None) -> float:  # noqa: ARG001 - as the others
    """Seconds, from `500ms`, `3s`, `2m`, `1h` or a plain number."""
    seconds = -1.0
    if isinstance(value, str):
        if re.match(DURATION, value) and not value.endswith("\n"):
            number = value.rstrip("msh")
            seconds = float(number) * _UNITS[value[len(number) :]]
    else:
        seconds = float(value)
    if not 0 < seconds <= WEEK:
        raise Fault("must be a duration above zero and up to a week", "Write it like 500ms, 3s, 2m or 1h")
    return seconds


def written(seconds: float) -> str:
    """A duration as one would write it."""
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{round(seconds * 1000)}ms" if round(seconds * 1000) == seconds * 1000 else f"{seconds}s"


def node_range(value: str, environ: Environ | None = None) -> str:  # noqa: ARG001
    return ranges.check(value)


def address(value: str, environ: Environ) -> str:
    """A host name or an IP, with `{name}` for the node's name."""
    found = text(value, environ)
    rest = found.replace("{name}", "")
    if "{" in rest or "}" in rest or " " in rest:
        raise Fault("is no address", "Write a host name or an IP; {name} in it stands for the node's name")
    return found


def name(value: str, environ: Environ | None = None) -> str:  # noqa: ARG001
    """A group's or a label's name: what can stand in `@rack:r12` and in `rack=r12`."""
    if not re.match(NAME, value) or value.endswith("\n"):
        raise Fault("is no name", "Use letters, digits, dot, dash and underscore")
    return value


def group_source(value: str, environ: Environ | None = None) -> str:  # noqa: ARG001
    if value in RESERVED_SOURCES:
        raise Fault("is a source of groups that Slurm fills", "Choose another word, such as rack or row")
    return name(value)


def date(value: str, environ: Environ | None = None) -> str:  # noqa: ARG001
    """A day or a moment in UTC, as events have them: `2026-11-20`, `2026-11-20T03:04:05Z`."""
    from aami_slurm.clock import seconds_of  # late: few files hold a date

    if not value.isascii() or seconds_of(value) is None:
        raise Fault("is no date", "Write it like 2026-11-20 or 2026-11-20T03:04:05Z, in UTC")
    return value


def limit(value: Any, environ: Environ) -> Any:
    """A threshold of a check: a number, a word, true or false, a list of those, or one for each of some names."""
    if isinstance(value, dict):
        return {text(str(key), environ): _threshold(part, environ) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_threshold(part, environ) for part in value]
    return _threshold(value, environ)


def _threshold(value: Any, environ: Environ) -> Any:
    if isinstance(value, str):
        return text(value, environ)
    if not isinstance(value, (bool, int, float)):
        raise Fault("must be a number, a text, true or false")
    return value


# The name of a kind as it stands under `format` in the JSON schema.
KINDS: Mapping[str, Callable[[Any, Environ], object]] = {
    "text": text,
    "path": path,
    "time-span": duration,
    "secret": Secret,
    "node-range": node_range,
    "address": address,
    "name": name,
    "group-source": group_source,
    "date": date,
    "limit": limit,
}

# How a value is written in a file, where that is not simply its text.
WRITTEN: Mapping[str, Callable[[Any], str]] = {"time-span": written}
