"""Documents on both surfaces: the same words, aligned, and nothing in them that acts on a terminal."""

import io

from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.render.document import Document, Fact, Facts, Heading, Paragraph, Steps, Table, Text, Verbatim
from aami_hpc.render.escape import for_terminal
from aami_hpc.render.plain import to_text
from aami_hpc.render.terminal import show

SAMPLE: Document = (
    Heading("Cluster alpha"),
    Paragraph(Text("two nodes are down", "bad")),
    Facts((Fact("version", "22.05.8", "sinfo --version"), Fact("nodes", "4")), title="Slurm"),
    Table(("node", "state"), (("gpu001", Text("idle", "good")), ("gpu002-long", "down")), title="Nodes"),
    Table(("node",), (), empty="no node is drained"),
    Verbatim("a\n  b\n"),
    Steps((("aami-hpc nodes list", "every node"),)),
)
PLAIN = """\
Cluster alpha
=============

two nodes are down

Slurm
  version  22.05.8  [sinfo --version]
  nodes    4

Nodes
NODE         STATE
gpu001       idle
gpu002-long  down

no node is drained

a
  b

Next
  aami-hpc nodes list  every node
"""


def drawn(document: Document, *, color: bool = False) -> str:
    stream = io.StringIO()
    show(document, stream, color=color)
    return stream.getvalue()


def test_plain() -> None:
    assert to_text(SAMPLE) == PLAIN
    assert to_text(()) == ""


def test_a_terminal_shows_the_same_words() -> None:
    assert set(PLAIN.replace("=", "").replace("[", "").replace("]", "").split()) <= set(drawn(SAMPLE).split())


def test_markup_in_outside_text_is_text() -> None:
    document: Document = (Paragraph("[bold red]x[/] :boom: [link=http://h]y[/link]"),)
    assert drawn(document) == "[bold red]x[/] :boom: [link=http://h]y[/link]\n"


@given(st.text())
def test_no_text_acts_on_a_terminal(text: str) -> None:
    assert for_terminal(text).isprintable()
    assert for_terminal(text, keep_newlines=True).replace("\n", "").isprintable()


@given(st.text())
def test_hostile_cells_can_not_break_a_table(text: str) -> None:
    table = Table(("name", "reason"), (("gpu001", text), ("gpu002", "fine")))
    assert len(to_text((table,)).rstrip("\n").split("\n")) == 3
    assert "\x1b" not in drawn((table,))


def test_safe_text_stays_as_it_is() -> None:
    assert for_terminal("김치 node-1 (ok) ü") == "김치 node-1 (ok) ü"
    assert for_terminal("a\tb\x1b[2J") == "a\\tb\\x1b[2J"
