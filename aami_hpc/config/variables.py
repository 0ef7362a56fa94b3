"""`${NAME}` in a value: found, checked and replaced. `$${NAME}` stands for the characters `${NAME}`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from aami_hpc.config.fault import Fault, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


def expand(text: str, environ: Mapping[str, str]) -> str:
    """The text with every variable replaced."""
    if "${" not in text:
        return text
    return _REFERENCE.sub(lambda match: _replacement(match, environ), text)


def home(environ: Mapping[str, str]) -> str:
    """What `~` stands for."""
    return environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - $HOME may be passed in


def literal(text: str) -> bool:
    """Whether the text refers to no variable."""
    return all(match[0] == "$${" for match in _REFERENCE.finditer(text))


def _replacement(match: re.Match[str], environ: Mapping[str, str]) -> str:
    """What stands in place of one reference. Errors name the variable, never what it holds."""
    if match[0] == "$${":
        return "${"
    name = match[1]
    if name is None:
        raise Fault("has ${ without a name and }", "Write ${NAME}, or $${ for the characters themselves")
    value = environ.get(name)
    if value is None:
        raise Unavailable(f"refers to the environment variable {name}, which is not set", f"Set {name}")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise Unavailable(
            f"refers to the environment variable {name}, which is not UTF-8 text", "Set it anew"
        )
    return value
