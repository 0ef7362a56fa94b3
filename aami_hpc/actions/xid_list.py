"""`xid list`: codes that fit. The JSON is a list of the objects that `explain --json` prints, shortened:
`kind, code, mnemonic, title, status, severity, affects, action, words`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.actions.result import Result
from aami_hpc.render.document import Paragraph, Table, Text
from aami_hpc.xid import catalog
from aami_xid.guide.find import find

if TYPE_CHECKING:
    from aami_hpc.render.document import Tone

_KEYS = ("kind", "code", "mnemonic", "title", "status", "severity", "affects", "action", "words")
_TONES: dict[str, Tone] = {"fatal": "bad", "error": "bad", "warning": "warn", "info": "plain"}


def run(
    kinds: tuple[str, ...], *, severity: str = "", affects: str = "", action: str = "", search: str = ""
) -> Result:
    """The answer is no when nothing fits."""
    entries = [entry.as_dict() for kind in kinds for entry in catalog.everything(kind)]
    found = find(entries, severity, affects, action, search)
    rows = tuple(
        (
            f"{'SXid ' if entry['kind'] == 'sxid' else ''}{entry['code']}",
            Text(entry["severity"], _TONES[entry["severity"]]),
            ", ".join(entry["affects"]),
            entry["action"],
            entry["title"],
        )
        for entry in found
    )
    table = Table(("code", "severity", "affects", "action", "title"), rows, empty="no code fits")
    more = Paragraph(Text("One code in full: aami-hpc explain xid CODE", "dim"))
    return Result(
        [{key: entry[key] for key in _KEYS} for entry in found],
        (table, more) if rows else (table,),
        bool(rows),
    )
