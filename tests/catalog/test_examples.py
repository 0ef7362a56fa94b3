"""The worked examples, replayed: the grammar reads every line, and `explain log` finds the code it is told for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import aami_xid
from aami_hpc.actions import explain_log
from aami_hpc.actions.explain_sources import sources
from aami_hpc.config import load
from aami_hpc.xid import catalog
from aami_xid.event import BUS_ID, NO_BUS_ID
from tests.catalog.test_catalogue import xids

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.xid.entry import Example

WITH_EXAMPLE = [entry.code for entry in xids() if entry.example]
TEXT_WINS = {71}  # its line carries the text of 74, and the text is believed
SEVERAL_GROUPS = {
    32,
    69,
    154,
}  # lines of several GPUs, or of two faults that have nothing to do with each other


def example(code: int) -> Example:
    entry = catalog.xid(code)
    assert entry is not None
    assert entry.example is not None
    return entry.example


@pytest.mark.parametrize("code", WITH_EXAMPLE)
def test_an_example_is_found_by_explain_log(code: int, tmp_path: Path) -> None:
    log = tmp_path / "kern.log"
    log.write_text("\n".join(example(code).log) + "\n", encoding="utf-8")
    asked = sources(lambda: load(None, environ={}), [log])
    data = explain_log.run(asked, year=2025, whole=True).data
    json.dumps(data)
    assert code in {event["code"] for event in data["events"]}
    if code not in TEXT_WINS:
        assert any(f"xid:{code}" in group["codes"] for group in data["incidents"])
    assert (len(data["incidents"]) == 1) is (code not in SEVERAL_GROUPS)


@pytest.mark.parametrize("code", WITH_EXAMPLE)
def test_every_line_of_an_example_is_the_driver_s(code: int) -> None:
    """Continuation lines of one record and dumps are text; nothing may look like another program's line."""
    events = list(aami_xid.read(example(code).log, year=2025, everything=True))
    assert {event.trust for event in events if event.kind == "xid"} <= {BUS_ID, NO_BUS_ID}
