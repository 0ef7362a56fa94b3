"""Sections of words as a document; severities get their tone here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.render.document import Passage, Row, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aami_hpc.render.document import Document, Tone

_TONES: dict[str, Tone] = {
    "FATAL": "bad",
    "ERROR": "bad",
    "WARNING": "warn",
    "INFO": "good",
    "NEEDS": "warn",
}


def document(sections: Iterable[tuple[str, list[tuple[str, str]]]]) -> Document:
    """One passage a section. Words stay raw: each surface escapes them."""
    return tuple(Passage(tuple(_row(lead, words) for lead, words in rows), title) for title, rows in sections)


def _row(lead: str, words: str) -> Row:
    tone = _TONES.get(lead)
    return Row(Text(lead, tone), Text(words, "strong")) if tone else Row(Text(lead, "dim"), words)
