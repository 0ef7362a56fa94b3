"""Documents as Markdown and HTML: every block, and text from outside that stays text."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aami_hpc.render.document import Document, Paragraph, Table, Verbatim
from aami_hpc.render.escape import for_html, for_markdown
from aami_hpc.render.html import to_html
from aami_hpc.render.markdown import to_markdown
from tests.render.test_surfaces import SAMPLE

MARKDOWN = """\
# Cluster alpha

two nodes are down

## Slurm

|  |  |  |
| --- | --- | --- |
| version | 22.05.8 | sinfo --version |
| nodes | 4 |  |

## Nodes

| node | state |
| --- | --- |
| gpu001 | idle |
| gpu002-long | down |

no node is drained

```
a
  b
```

## Next

- `aami-hpc nodes list` every node
"""


def test_markdown() -> None:
    assert to_markdown(SAMPLE) == MARKDOWN
    assert to_markdown(()) == ""
    assert to_markdown(SAMPLE, level=3).startswith("### Cluster alpha")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a*b*", r"a\*b\*"), ("[x](http://h)", r"\[x\](http://h)"), ("<b>", r"\<b\>"), ("a|b", r"a\|b"),
        ("snake_case stays", "snake_case stays"), ("_x_", r"\_x\_"), ("1. no list", r"1\. no list"), ("- x", r"\- x"),
        ("# x", r"\# x"), ("\x1b[0m", "\\\\x1b\\[0m"), ("AT&amp;T", r"AT&amp;T"), ("&lt;", r"\&lt;"),
    ],
)  # fmt: skip
def test_marks_in_text_are_text(text: str, shown: str) -> None:
    assert for_markdown(text) == shown


@settings(deadline=None)
@given(st.text())
def test_no_text_closes_its_fence(text: str) -> None:
    lines = to_markdown((Verbatim(text),)).split("\n")
    fence = lines[0]
    assert set(fence) == {"`"}
    assert not any(line.strip() == fence for line in lines[1:-2])


@settings(deadline=None)
@given(st.text())
def test_hostile_cells_can_not_break_a_table(text: str) -> None:
    document: Document = (Table(("name", "reason"), (("gpu001", text), ("gpu002", "fine"))),)
    assert to_markdown(document).rstrip("\n").count("\n") == 3


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@settings(deadline=None)
@given(st.text())
def test_no_text_becomes_html(text: str) -> None:
    tags = Tags()
    tags.feed(to_html((Paragraph(text),), text))
    assert tags.found == ["html", "head", "meta", "title", "style", "body", "p"]


def test_html_has_every_block() -> None:
    page = to_html(SAMPLE, "x")
    for part in (
        "<h2>Cluster alpha</h2>",
        "<h3>Slurm</h3>",
        "<th>node</th>",
        "<p>no node is drained</p>",
        "<pre>a\n  b\n</pre>",
    ):
        assert part in page


def test_html_quotes() -> None:
    assert for_html("\"'<&>\x1b") == "&quot;&#x27;&lt;&amp;&gt;\\x1b"
