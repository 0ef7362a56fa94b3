"""Make outside text safe to show: one function per surface.

Process names, job comments and log lines are written by users. On a terminal an escape sequence could hide
a line, forge another or retitle the window, and a bidirectional mark could turn a name around.
"""

from __future__ import annotations


def for_terminal(text: str, *, keep_newlines: bool = False) -> str:
    """Show every character that could act on a terminal as an escape, as Python would write it."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or (keep_newlines and char == "\n") else ascii(char)[1:-1] for char in text
    )
