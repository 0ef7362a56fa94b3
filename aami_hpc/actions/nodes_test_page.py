"""What `nodes test` found, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aami_hpc.fleet.nodeset import fold
from aami_hpc.io.ssh import MEANINGS, Kind, Outcome
from aami_hpc.render.document import Fact, Facts, Paragraph, Table, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aami_hpc.model.node import Node
    from aami_hpc.render.document import Block

_SHOWN_EVIDENCE = 16  # nodes whose fingerprints a table still shows


def page(
    outcomes: Mapping[str, Outcome],
    groups: Sequence[Mapping[str, Any]],
    skipped: Sequence[Node],
    remarks: Sequence[str],
) -> tuple[Block, ...]:
    """The groups as a table, then what to do about each kind of trouble."""
    rows: list[tuple[str | Text, ...]] = [
        (
            Text(
                MEANINGS[Kind(group["outcome"])].says, "good" if group["outcome"] == Kind.OK.value else "bad"
            ),
            str(group["count"]),
            group["nodes"],
            group["detail"],
        )
        for group in groups
    ]
    if skipped:
        states = ", ".join(sorted({str(node.state) for node in skipped}))
        rows.append((Text("skipped", "dim"), str(len(skipped)), fold(node.name for node in skipped), states))
    blocks: list[Block] = [
        Paragraph(_summary(outcomes, len(skipped))),
        Table(("Outcome", "Count", "Nodes", "Detail"), tuple(rows), empty="No nodes to test"),
    ]
    blocks += [_evidence(outcomes)] if any(one.evidence for one in outcomes.values()) else []
    hints = {group["outcome"]: group["hint"] for group in groups if group["hint"]}
    if hints:
        facts = tuple(Fact(MEANINGS[Kind(word)].says, hint) for word, hint in hints.items())
        blocks.append(Facts(facts, title="What to do"))
    blocks += [Paragraph(Text(remark, "warn")) for remark in remarks]
    return tuple(blocks)


def _summary(outcomes: Mapping[str, Outcome], skipped: int) -> Text:
    good, tested = sum(outcome.ok for outcome in outcomes.values()), len(outcomes)
    words = f"{good} of {tested} nodes can be reached and used by SSH"
    if skipped:
        words += f"; {skipped} skipped, they are switched off or not yet there"
    return Text(words, "good" if good == tested else "bad")


def _evidence(outcomes: Mapping[str, Outcome]) -> Table:
    """Fingerprints to compare: for a few nodes here, for all of them in --json."""
    told = [(outcome.name, outcome.evidence) for outcome in outcomes.values() if outcome.evidence]
    more = f" (the first {_SHOWN_EVIDENCE}; --json has all)" if len(told) > _SHOWN_EVIDENCE else ""
    return Table(("Node", "Shown"), tuple(sorted(told)[:_SHOWN_EVIDENCE]), title=f"Evidence{more}")
