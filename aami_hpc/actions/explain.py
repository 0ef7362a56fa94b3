"""`explain xid`, `explain sxid` and a pasted line: what codes mean, and which of them is the root.

The JSON has the keys `kind, code, mnemonic, title, status, severity, affects, meaning, causes[] {text, likelihood},
actions {now[], if_repeats[] {when, do}}, tell_user, nvidia {immediate, investigatory}, generations {}, related[] {code,
order, why, kind}, sources[], judged[]`; a list of such objects when several codes were asked. Of a code that is in no
catalogue `status` is `unknown` and `related` holds its neighbours. A pasted line adds `event`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aami_xid
from aami_hpc.actions.explain_page import document
from aami_hpc.actions.result import Result
from aami_hpc.errors import UsageFault
from aami_hpc.xid import catalog
from aami_xid.guide import ask, line, pages, unknown
from aami_xid.guide.answer import answer
from aami_xid.guide.words import MODELS, generation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aami_xid.event import Event


def codes(kind: str, typed: Sequence[str], *, model: str = "", brief: bool = False) -> Result:
    """Explain codes together. An empty kind leaves it to the size of each number."""
    column = _generation(model)
    try:
        wanted = [(kind, ask.code(one)) for one in typed] if kind else ask.codes(list(typed))
    except ask.NotACode as wrong:
        raise UsageFault(f"{wrong}.", hint="For example: aami-hpc explain xid 79") from wrong
    entries = _entries(wanted)
    data = [answer(entry) for entry in entries]
    page = document(pages.together(entries, column, brief))
    return Result(data if len(typed) > 1 else data[0], page, _all_known(entries))


def lines(typed: Sequence[str], *, model: str = "", brief: bool = False) -> Result:
    """Explain pasted lines: what each says, then the codes in them. Words that are no lines are codes."""
    if not any(map(ask.is_line, typed)):
        return codes("", typed, model=model, brief=brief)
    column = _generation(model)
    events = [aami_xid.parse(one) for one in ask.lines(list(typed))]
    told = [event for event in events if line.codes(event)]
    if not told:
        raise UsageFault(
            "No Xid or SXid of a driver is in that line",
            cause=line.suspicion(events),
            hint="Quote the whole line, or give the code: aami-hpc explain xid 79",
        )
    found = [(event, _entries(line.codes(event))) for event in told]
    entries = _entries([code for event in told for code in line.codes(event)])
    data = [{**answer(own[0]), "event": event.to_dict()} for event, own in found]
    page = document([*_said(told), *pages.together(entries, column, brief)])
    return Result(data if len(data) > 1 else data[0], page, _all_known(entries))


def _said(events: Sequence[Event]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What each line says beyond its code, where it says anything."""
    one = len(events) == 1
    heads = [
        ("This line" if one else f"Line {number}", line.rows(event)) for number, event in enumerate(events, 1)
    ]
    return [head for head in heads if head[1]]


def _entries(wanted: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Each code once, in the order asked."""
    return [_entry(kind, code) for kind, code in dict.fromkeys(wanted)]


def _entry(kind: str, code: int) -> dict[str, Any]:
    found = catalog.find(kind, code)
    return found.as_dict() if found else unknown.entry(kind, code, catalog.codes(kind))


def _all_known(entries: Sequence[dict[str, Any]]) -> bool:
    return all(entry["status"] != "unknown" for entry in entries)


def _generation(model: str) -> str:
    column = generation(model)
    if model and not column:
        raise UsageFault(
            f"--model {model} is no GPU that the catalogue tells apart", hint=f"It knows {', '.join(MODELS)}"
        )
    return column
