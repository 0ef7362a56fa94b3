"""Sections as plain text of 80 columns, for `aami-xid.pyz`."""

import textwrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator, List, Tuple

    Section = Tuple[str, List[Tuple[str, str]]]

COLUMNS = 80


def to_text(sections: "Iterable[Section]") -> "str":
    return "\n\n".join("\n".join(_lines(title, rows)) for title, rows in sections) + "\n"


def safe(text: "str") -> "str":
    """Text from outside: whatever could act on a terminal is shown as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _lines(title: "str", rows: "List[Tuple[str, str]]") -> "Iterator[str]":
    if title:
        yield safe(title)
    widest = max(len(safe(lead)) for lead, _ in rows)
    for lead, words in rows:
        start = "  " * bool(title) + (safe(lead).ljust(widest) + "  " if widest else "")
        yield from textwrap.wrap(
            safe(words),
            COLUMNS,
            initial_indent=start,
            subsequent_indent=" " * len(start),
            break_on_hyphens=False,
        ) or [start.rstrip()]
