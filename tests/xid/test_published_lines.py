"""Every published line is read as it must be: kind, device, process, cause, time, decoded fields."""

import pytest

import aami_xid
from tests.xid.lines import YEAR, Line, published


@pytest.mark.parametrize("line", published(), ids=lambda line: line.text[:80])
def test_a_published_line(line: Line) -> None:
    event = aami_xid.parse(line.text, year=YEAR)
    told = event.to_dict()
    assert {name: told[name] for name in line.expected} == line.expected
    assert {name: value for name, value in told["fields"].items() if name != "text"} == line.fields
    assert told["raw"] == line.text


@pytest.mark.parametrize("line", published(), ids=lambda line: line.text[:80])
def test_what_is_not_decoded_says_why(line: Line) -> None:
    if line.expected["kind"] in {"xid", "sxid"}:
        told = set(line.fields) - {"switch"}
        carries_nothing = line.expected["channel"] is not None or line.expected["code"] in {8, 38, 46, 79}
        assert told or carries_nothing


def test_the_lines_come_with_their_sources() -> None:
    assert all(line.source for line in published())
    assert len(published()) > 240
