"""NVLink5 reports: every published row in both layouts, the driver's version, the two ends of a link, and doubt."""

from collections.abc import Iterator
from typing import Any

import pytest

import aami_xid
from aami_xid.decode import nvlink5
from aami_xid.tables import table

TEXT = "{} {} XC0 i0 Link {:02d} (0x{:08x} 0x{:08x} 0x00000000 0x00000000 0x00000000 0x00000000)"
DRIVERS = {"v1": "570.133.20", "v2": "575.57.08"}


def rows() -> Iterator[tuple[str, dict[str, Any], str, int, int]]:
    """(layout, unit, key, IntrInfo, ErrorStatus) of every row of the table."""
    for unit in table("nvlink5")["units"]:
        for layout in DRIVERS:
            for key in unit["rows"]:
                info = int(unit[layout], 16) | (5 << 13)
                status = 0 if unit["match"] == "reason" else int(key, 16)
                yield layout, unit, key, info | (int(key) << 20 if unit["match"] == "reason" else 0), status


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: f"{row[0]} {row[1]['unit'][-1]} {row[2]}")
def test_every_published_row(row: tuple[str, dict[str, Any], str, int, int]) -> None:
    layout, unit, key, info, status = row
    text = TEXT.format(unit["unit"][-1], "Nonfatal", 5, info, status)
    found = aami_xid.decode_text(unit["xid"], text, DRIVERS[layout])
    assert (found["layout"], found["layout_from"]) == (layout, "driver")
    assert [outcome["for"] for outcome in found["outcomes"]] == [key]
    assert found["outcomes"][0]["nvidia"] == unit["rows"][key]["do"]
    assert found["unit"] == unit["unit"][-1] or found["unit"] == unit["unit"][0]
    assert "undecoded" not in found
    unknown_driver = aami_xid.decode_text(unit["xid"], text)
    assert [outcome["nvidia"] for outcome in unknown_driver["outcomes"]] == [unit["rows"][key]["do"]]
    assert unknown_driver["layout_from"] == "fit"


def test_all_units_are_there() -> None:
    assert {unit["xid"] for unit in table("nvlink5")["units"]} == {144, 145, 146, 147, 148, 149, 150}
    assert sum(len(unit["rows"]) for unit in table("nvlink5")["units"]) == 96


@pytest.mark.parametrize(("layout", "bit"), [("v1", 10), ("v2", 7)])
def test_the_fatal_bit_of_the_receive_pipe_changes_the_outcome(layout: str, bit: int) -> None:
    unit = next(unit for unit in table("nvlink5")["units"] if unit["unit"] == ["RLW_RXPIPE"])
    info = int(unit[layout], 16)
    calm = aami_xid.decode_text(145, TEXT.format("RLW_RXPIPE", "Nonfatal", 1, info, 2), DRIVERS[layout])
    fatal = aami_xid.decode_text(
        145, TEXT.format("RLW_RXPIPE", "Fatal", 1, info | 1 << bit, 2), DRIVERS[layout]
    )
    assert (calm["action"], fatal["action"]) == ("none", "reset-gpu")


def test_two_set_bits_are_both_read_and_the_worse_one_decides() -> None:
    found = aami_xid.decode_text(145, TEXT.format("RLW_REMAP", "Fatal", 1, 0x82, 0x40 | 0x100))
    assert [outcome["for"] for outcome in found["outcomes"]] == ["0x40", "0x100"]
    assert found["action"] == "reset-gpu"


def test_a_bit_without_a_row_is_named_and_leaves_the_action_open() -> None:
    found = aami_xid.decode_text(145, TEXT.format("RLW_REMAP", "Nonfatal", 1, 0x82, 0x100 | 0x1000))
    assert found["unmatched"] == ["0x1000"]
    assert "0x1000" in found["undecoded"]
    assert "action" not in found


def test_a_word_of_no_unit_is_said_to_be_one() -> None:
    found = aami_xid.decode_text(149, TEXT.format("NETIR_LINK_EVT", "Fatal", 1, 0x3FF, 0))
    assert "matches no published unit" in found["undecoded"]
    known = aami_xid.decode_text(149, TEXT.format("NETIR_LINK_EVT", "Fatal", 1, 0x021425C6, 0), "580.95.05")
    assert "layout v2" in known["undecoded"]


@pytest.mark.parametrize(
    ("word", "reason", "end"),
    [
        (0x004505C6, 4, "local"),
        (0x021425C6, 33, "remote"),
        (0x016415C6, 22, "software"),
        (0x025001C6, 37, "remote"),
        (0x000625C6, 0, "either"),
    ],
)
def test_which_end_of_the_link(word: int, reason: int, end: str) -> None:
    found = aami_xid.decode_text(149, TEXT.format("NETIR_LINK_EVT", "Fatal", 1, word, 0))
    assert (found["reason"], found["end"], found["judged"]) == (reason, end, ["end"])


@pytest.mark.parametrize("reason", [38, 40])
def test_link_down_reasons_that_need_nothing(reason: int) -> None:
    found = aami_xid.decode_text(149, TEXT.format("NETIR_LINK_EVT", "Fatal", 1, 0x1C6 | reason << 20, 0))
    assert found["action"] == "none"


def test_a_link_down_reason_of_no_table() -> None:
    found = aami_xid.decode_text(149, TEXT.format("NETIR_LINK_EVT", "Fatal", 1, 0x1C6 | 63 << 20, 0))
    assert "63" in found["undecoded"]
    assert "action" not in found


def test_two_layouts_that_disagree_are_both_given() -> None:
    """No word of today's table fits both; the next table may."""
    fits = [
        {"layout": layout, "unit": "X", "outcomes": [{"nvidia": asked, "then": None}]}
        for layout, asked in (("v1", "IGNORE"), ("v2", "RESET_GPU"))
    ]
    found = nvlink5._with_readings({"unit": "X"}, fits, 0)
    assert (found["ambiguous"], found["readings"]) == (True, fits)
    assert "action" not in found


def test_twins_of_the_old_layout_are_told_apart_by_name() -> None:
    for unit in ("TLW_RX_PIPE0", "TLW_RX_PIPE1"):
        assert aami_xid.decode_text(146, TEXT.format(unit, "Fatal", 1, 0x143, 4), "570.1")["unit"] == unit


def test_a_name_that_contradicts_the_word_is_noted() -> None:
    found = aami_xid.decode_text(145, TEXT.format("RLW_CTRL", "Nonfatal", 1, 0x82, 0x40))
    assert "RLW_REMAP" in found["note"]


@pytest.mark.parametrize(
    "text",
    [
        "RLW_REMAP Nonfatal XC0 i0 Link 02",
        "NETIR_LINK_EVT Fatal XC 1 i 2 Link 01 [0x0000000a]",
        "RLW_REMAP Nonfatal XC0 i0 Link 02 (0x0000",
    ],
)
def test_a_line_without_its_words(text: str) -> None:
    found = aami_xid.decode_text(149, text)
    assert "no IntrInfo" in found["undecoded"]
    assert found["link"] in {1, 2}


def test_the_drivers_version_is_learnt_from_the_log() -> None:
    log = [
        "NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build",
        "NVRM: Xid (PCI:0000:01:00): 144, " + TEXT.format("SAW_MVB", "Nonfatal", 0, 1, 8),
    ]
    version, report = aami_xid.read(log)
    assert (version.kind, version.fields["version"]) == ("driver-version", "580.95.05")
    assert (report.fields["layout"], report.fields["layout_from"]) == ("v2", "driver")
