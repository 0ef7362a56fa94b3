"""docs/xid: a page for every Xid, one for every unit of the NVSwitch with its SXids, and the index people search."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from aami_hpc.actions.xid_pages import page
from aami_hpc.render.document import Heading, Paragraph
from aami_hpc.render.escape import for_markdown
from aami_hpc.render.markdown import to_markdown
from aami_hpc.xid import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aami_hpc.render.document import Document

_MADE = "Made from the catalogue by `make docs`; a test keeps it true.\n"


@cache
def pages() -> dict[str, str]:
    """File name below docs/xid, and content."""
    xids = [entry.as_dict() for entry in catalog.everything("xid")]
    units = {path.stem: [entry.as_dict() for entry in catalog.load_sxids(path)] for path in _sxid_files()}
    found = {f"{entry['code']:03d}.md": _xid_page(entry) for entry in xids}
    found |= {f"sxid-{stem}.md": _unit_page(entries) for stem, entries in units.items()}
    return {**found, "README.md": _index(xids, units)}


def _sxid_files() -> Iterable[Any]:
    return sorted(catalog.folder("sxid").glob("*.yaml"))


def _xid_page(entry: dict[str, Any]) -> str:
    return f"{to_markdown(page(entry))}\n[All codes](README.md) · `aami-hpc explain xid {entry['code']}`\n"


def _unit_page(entries: list[dict[str, Any]]) -> str:
    title: Document = (Heading(f"SXids of the unit {entries[0]['unit']}"),)
    parts = [to_markdown(title), *(to_markdown(page(entry), level=2) for entry in entries)]
    return "\n".join([*parts, "[All codes](README.md)\n"])


def _index(xids: list[dict[str, Any]], units: dict[str, list[dict[str, Any]]]) -> str:
    intro: Document = (
        Heading("Xids and SXids"),
        Paragraph(
            "What the errors of NVIDIA GPUs and NVSwitches mean, whose fault they usually are, what to do."
        ),
    )
    words = sorted(
        ((word, entry) for entry in xids for word in entry["words"]), key=lambda pair: pair[0].lower()
    )
    parts = [
        to_markdown(intro),
        _MADE,
        "## Words people search\n\n" + _rows((for_markdown(word), _link(entry)) for word, entry in words),
        "## Xids\n\n"
        + _rows((_link(entry), entry["severity"], for_markdown(entry["title"])) for entry in xids),
        "## SXids\n\n"
        + _rows(_sxid_row(stem, entry) for stem, entries in units.items() for entry in entries),
    ]
    return "\n".join(parts)


def _sxid_row(stem: str, entry: dict[str, Any]) -> tuple[str, ...]:
    link = f"[{entry['code']}](sxid-{stem}.md)"
    return link, entry["severity"], for_markdown(f"{entry['unit']}: {entry['title']}")


def _link(entry: dict[str, Any]) -> str:
    return f"[{entry['code']}]({entry['code']:03d}.md)"


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    told = [" | ".join(cells) for cells in rows]
    columns = told[0].count(" | ") + 1 if told else 1
    head = [" | ".join([""] * columns), " | ".join(["---"] * columns)]
    return "".join(f"| {line} |\n" for line in [*head, *told])
