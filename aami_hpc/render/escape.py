"""Make outside text safe to show: one function per surface.

Process names, job comments and log lines are written by users. On a terminal an escape sequence could hide
a line, forge another or retitle the window, and a bidirectional mark could turn a name around.
"""

from __future__ import annotations

import unicodedata

# Categories that draw nothing of their own: controls, formats (bidirectional marks among them), surrogates,
# private use, line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def for_terminal(text: str, *, keep_newlines: bool = False) -> str:
    """Show every character that could act on a terminal as an escape, as Python would write it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if (keep_newlines and char == "\n") or unicodedata.category(char) not in _UNSAFE
        else _shown(char)
        for char in text
    )


def _shown(char: str) -> str:
    return char.encode("unicode_escape").decode() if char not in "\n\r\t" else repr(char)[1:-1]
