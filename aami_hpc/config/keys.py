"""Keys as people write them, `ssh.user`, and as a path of parts. A part with a dot in it stands in quotes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PART = re.compile(r'("(?:[^"\\]|\\.)*")(?=\.|$)|([^."][^.]*)')


def join(parts: Sequence[str]) -> str:
    """`ssh.user`; with quotes, as in `nodes."gpu-1.site".gpus`, where a part would be misread or hide something."""
    return ".".join(_quoted(part) for part in parts)


def split(key: str) -> tuple[str, ...]:
    """The parts of a key; none when it can't be read as one."""
    parts: list[str] = []
    position = 0
    while position <= len(key):
        match = _PART.match(key, position)
        if match is None:
            return ()
        parts.append(_unquoted(match[1]) if match[1] else match[2])
        position = match.end() + 1
    return tuple(parts)


def _quoted(part: str) -> str:
    plain = part and part.isprintable() and not set(part) & set('." ')
    return part if plain else json.dumps(part, ensure_ascii=not part.isprintable())


def _unquoted(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted
