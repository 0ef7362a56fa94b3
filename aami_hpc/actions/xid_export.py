"""`xid export`: the whole catalogue as one text. `json` holds every key of the files; it is also what `--json` prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aami_hpc.actions.result import Result
from aami_hpc.actions.xid_pages import page
from aami_hpc.render.document import Verbatim
from aami_hpc.render.html import to_html
from aami_hpc.render.markdown import to_markdown
from aami_hpc.xid import catalog

if TYPE_CHECKING:
    from aami_hpc.render.document import Document

FORMATS = ("md", "json", "html")
_TITLE = "Xids and SXids of NVIDIA GPUs and NVSwitches"


def run(form: str) -> Result:
    """The text is the document: it goes to a file by redirection."""
    entries = [entry.as_dict() for kind in catalog.KINDS for entry in catalog.everything(kind)]
    return Result(entries, (Verbatim(_text(form, entries)),))


def _text(form: str, entries: list[dict[str, Any]]) -> str:
    if form == "json":
        return json.dumps(entries, indent=2)
    whole: Document = tuple(block for entry in entries for block in page(entry))
    return to_html(whole, _TITLE) if form == "html" else to_markdown(whole, level=2)
