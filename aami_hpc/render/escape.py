"""Make outside text safe to show: one function per surface.

Process names, job comments and log lines are written by users. On a terminal an escape sequence could hide
a line, forge another or retitle the window, and a bidirectional mark could turn a name around.
"""

from __future__ import annotations

import html
import re


def for_terminal(text: str, *, keep_newlines: bool = False) -> str:
    """Show every character that could act on a terminal as an escape, as Python would write it."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or (keep_newlines and char == "\n") else ascii(char)[1:-1] for char in text
    )


def for_markdown(text: str) -> str:
    """Words that stay words: nothing in them becomes a list, a named link, an image, emphasis, a cell or HTML."""
    told = re.sub(r"([\\`*_{}\[\]<>|~#!&@])", _in_markdown, for_terminal(text))
    return re.sub(r"^(\s*\d*)([-+=.)])(?=\s|$|[-=])", r"\1\\\2", told)


def _in_markdown(found: re.Match[str]) -> str:
    """An underscore or a bang inside a word means nothing to Markdown, and names are full of them."""
    mark, text = found.group(), found.string
    inner = 0 < found.start() < len(text) - 1
    harmless = inner and text[found.start() - 1].isalnum() and text[found.end()].isalnum()
    if mark in "_#!&@" and harmless:
        return mark
    return f"\\{mark}"


def for_html(text: str, *, keep_newlines: bool = False) -> str:
    """Text for an element or a quoted attribute; control characters are shown, never sent."""
    return html.escape(for_terminal(text, keep_newlines=keep_newlines))
