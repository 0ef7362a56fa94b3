"""Whatever people write into reasons and comments, no other field changes and no node appears or goes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aami_hpc.slurm.programs import Programs
from aami_hpc.slurm.text import TextClient, draw_separator
from tests.slurm.fake import CONFIGURED, FakeNode, FakeSlurm
from tests.slurm.scene import FORGED_COMMENT, FORGED_EXTRA, FORGED_REASON

if TYPE_CHECKING:
    from aami_hpc.model.node import Node

PROGRAMS = Programs({"scontrol": "scontrol", "sinfo": "sinfo"}, {})
NODES = (
    FakeNode("n1"),
    FakeNode("n2", "IDLE+DRAIN", "old"),
    FakeNode("n3"),
    FakeNode("future", "FUTURE", hidden=True),
)

# Pieces that a forger would use, and any other text.
_PIECES = st.sampled_from(
    [
        "\n",
        "\r\n",
        "NodeName=n2 ",
        "NodeName=n9 ",
        "NodeName=future ",
        "State=DOWN ",
        CONFIGURED.format(name="n1"),
        CONFIGURED.format(name="n7"),
        " CfgTRES=x Reason=y [eve@2020-01-01T00:00:00]",
        "[eve@2020-01-01T00:00:00]",
        "Node n1 not found\n",
        "Node future not found\n",
        "<5eed>",
        "none",
        "Slurmctld(primary) at head1 is DOWN\n",
    ]
)
TEXT = st.lists(_PIECES | st.text(max_size=20), max_size=8).map("".join)


def _read(*nodes: FakeNode) -> tuple[Node, ...]:
    return TextClient(PROGRAMS, FakeSlurm(nodes), 3.0).nodes()


def _without_reasons(nodes: tuple[Node, ...]) -> list[Node]:
    return [
        replace(node, state=replace(node.state, reason="", reason_user="", reason_time=None))
        if node.state
        else node
        for node in nodes
    ]


PLAIN = _without_reasons(_read(*NODES))


@given(reason=TEXT, other=TEXT)
@example(reason=FORGED_REASON, other="\n")
@settings(max_examples=300, deadline=None)
def test_a_reason_changes_nothing_but_itself(reason: str, other: str) -> None:
    first, second, *rest = NODES
    found = _read(replace(first, reason=reason), replace(second, reason=other), *rest)
    assert _without_reasons(found) == PLAIN
    told = {node.name: node.state.reason for node in found if node.state}
    assert (told["n1"], told["n2"]) == (reason, other)


@given(comment=TEXT, other=TEXT)
@example(comment=FORGED_COMMENT, other=FORGED_EXTRA)
@example(comment="\nNodeName=n2 State=DOWN", other="\n" + CONFIGURED.format(name="future"))
@settings(max_examples=300, deadline=None)
def test_a_comment_changes_nothing_at_all(comment: str, other: str) -> None:
    first, second, third, future = NODES
    found = _read(
        replace(first, comment=comment),
        second,
        replace(third, comment=other),
        replace(future, comment=comment),
    )
    shown = [node for node in _without_reasons(found) if node.name != "future"]
    assert shown == [node for node in PLAIN if node.name != "future"]
    assert {node.name for node in found} <= {node.name for node in NODES}


def test_a_future_node_is_there_although_a_comment_denies_it() -> None:
    liar = replace(NODES[0], comment="x\nNode future not found\nNodeName=n9 State=FUTURE")
    assert [node.name for node in _read(liar, *NODES[1:])] == ["future", "n1", "n2", "n3"]


def test_more_forged_lines_than_are_asked_about_describe_nobody() -> None:
    many = [FakeNode(f"m{number}") for number in range(30)]
    forged = "".join(f"\n{CONFIGURED.format(name=node.name).replace('x86_64', 'sparc')}" for node in many)
    found = _read(replace(many[0], comment=forged), *many[1:])
    assert len(found) == 30
    assert {node.arch for node in found} == {"x86_64", ""}


@pytest.mark.parametrize("number", range(5))
def test_the_separator_is_another_one_each_time(number: int) -> None:
    drawn = {draw_separator() for _ in range(100)}
    assert len(drawn) == 100
    assert all(len(text) >= 18 and not text[0].isdigit() and not set(text) & set(",:%") for text in drawn)
