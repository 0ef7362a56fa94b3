"""A page a code for the manual and for exports: the panel, and the worked example that a panel leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aami_hpc.actions.explain_page import document
from aami_hpc.render.document import Heading, Passage, Row, Verbatim
from aami_xid.guide import panel

if TYPE_CHECKING:
    from aami_hpc.render.document import Block, Document


def page(entry: dict[str, Any]) -> Document:
    """Everything the catalogue says about one code."""
    parts: list[Block] = [Heading(f"{panel.name(entry)}: {entry['title']}")]
    (_, head), *rest = panel.sections(entry)
    (severity, _), *facts = head  # the heading has said the rest of the first row
    parts += document([("", [(severity, facts[0][1]), *facts[1:]]), *rest])
    if entry["words"]:
        parts.append(Passage((Row("", ", ".join(entry["words"])),), "Also searched as"))
    return (*parts, *_example(entry["example"]))


def _example(example: dict[str, Any] | None) -> list[Block]:
    if example is None:
        return []
    origin = "made from the driver's format" if example["made"] else "real lines"
    return [
        Passage((Row("", example["story"]),), f"Example ({origin})"),
        Verbatim("\n".join(example["log"])),
    ]
