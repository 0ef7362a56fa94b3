"""Prose on every surface: wrapped, aligned behind its lead, and harmless."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aami_hpc.render.document import Document, Passage, Row, Text
from aami_hpc.render.html import to_html
from aami_hpc.render.markdown import to_markdown
from aami_hpc.render.plain import to_text
from aami_hpc.render.terminal import show

WORDS = "the card no longer answers on PCI Express and " * 3
SAMPLE: Document = (
    Passage((Row(Text("FATAL", "bad"), "Xid 79"), Row("", "the node"))),
    Passage((Row("1.", WORDS), Row("2.", "then that")), "Do now"),
    Passage((Row("", "only words"),), "Meaning"),
)
PLAIN = """\
FATAL  Xid 79
       the node

Do now
  1.  the card no longer answers on PCI Express and the card no longer answers
      on PCI Express and the card no longer answers on PCI Express and
  2.  then that

Meaning
  only words
"""


def drawn(document: Document, width: int = 120) -> str:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        show(document, stream, color=False)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def test_plain() -> None:
    assert to_text(SAMPLE) == PLAIN


def test_a_terminal_shows_the_same() -> None:
    assert drawn(SAMPLE) == PLAIN


def test_a_narrow_terminal_is_filled_and_not_passed() -> None:
    assert max(map(len, drawn(SAMPLE, 40).splitlines())) <= 40


@settings(deadline=None)
@given(st.text(), st.text(max_size=10), st.text(max_size=20))
def test_hostile_words_stay_inside(words: str, lead: str, title: str) -> None:
    document: Document = (Passage((Row(lead, words), Row("x", "y")), title),)
    for text in (to_text(document), drawn(document)):
        assert "\x1b" not in text
        assert all(char.isprintable() or char == "\n" for char in text)


def test_a_word_longer_than_a_line_is_broken() -> None:
    assert max(map(len, to_text((Passage((Row("-", "x" * 200),), "Sources"),)).splitlines())) == 80


def test_markdown() -> None:
    assert to_markdown(SAMPLE[1:]) == (f"## Do now\n\n1. {WORDS}\n2. then that\n\n## Meaning\n\nonly words\n")
    assert to_markdown(SAMPLE[:1]) == "- **FATAL** Xid 79\n- the node\n"


def test_html() -> None:
    page = to_html(SAMPLE, "a < b")
    assert "<title>a &lt; b</title>" in page
    assert '<td><span class="bad">FATAL</span></td><td>Xid 79</td>' in page
