"""Times: years that lines don't carry, the turn of the year, leap days, zones, and calendar arithmetic."""

import time
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aami_xid
from aami_xid import civil

LINE = "{} gpu-017 kernel: NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus."


def at(year: int, month: int, day: int, hour: int = 12) -> float:
    return datetime(year, month, day, hour, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("stamp", "file_date", "expected"),
    [
        ("Dec 31 23:59:59", at(2025, 1, 2), "2024-12-31T23:59:59Z"),
        ("Jan  1 00:00:01", at(2025, 1, 2), "2025-01-01T00:00:01Z"),
        (
            "Jan  2 20:00:00",
            at(2025, 1, 2),
            "2025-01-02T20:00:00Z",
        ),  # another zone: within a day of the file's date
        ("Jan  4 00:00:00", at(2025, 1, 2), "2024-01-04T00:00:00Z"),
        ("Jan  1 03:00:00", at(2024, 12, 31, 23), "2025-01-01T03:00:00Z"),
        ("Feb 29 10:00:00", at(2025, 3, 1), "2024-02-29T10:00:00Z"),
        ("Feb 29 10:00:00", at(2024, 3, 1), "2024-02-29T10:00:00Z"),
        ("Feb 29 10:00:00", at(1904, 2, 1), "1896-02-29T10:00:00Z"),
    ],
)
def test_the_files_date_gives_the_year(stamp: str, file_date: float, expected: str) -> None:
    event = aami_xid.parse(LINE.format(stamp), date=file_date)
    assert (event.time, event.time_kind, event.assumed) == (expected, "assumed", ["year", "zone"])


def test_a_given_year_wins_and_rolls_over_in_one_log() -> None:
    stamps = [
        "Nov 30 10:00:00",
        "Dec 31 23:59:59",
        "Jan  1 00:00:01",
        "Dec 31 23:59:58",
        "Jan  2 00:00:00",
        "Nov  5 00:00:00",
    ]
    events = aami_xid.read([LINE.format(stamp) for stamp in stamps], year=2024, date=at(2030, 1, 1))
    assert [str(event.time)[:10] for event in events] == [
        "2024-11-30", "2024-12-31", "2025-01-01", "2024-12-31", "2025-01-02", "2025-11-05",
    ]  # fmt: skip


def test_without_a_year_there_is_no_time_but_an_order() -> None:
    events = [
        aami_xid.parse(LINE.format(stamp))
        for stamp in ("Feb 28 10:00:00", "Feb 29 09:00:00", "Mar  1 08:00:00")
    ]
    assert {(event.time, event.time_kind) for event in events} == {(None, None)}
    moments = [event.moment for event in events]
    assert moments == sorted(moments, key=str)
    assert {moment[0] for moment in moments if moment} == {"yearless"}


def test_without_a_year_the_kernels_own_clock_orders() -> None:
    event = aami_xid.parse("Feb 29 10:00:00 host kernel: [   12.500000] NVRM: Xid (PCI:0000:c1:00): 79, x")
    assert (event.time, event.time_kind, event.moment) == (None, "monotonic", ("monotonic", 12.5))


@pytest.mark.parametrize(
    "stamp", ["Feb 30 10:00:00", "Feb 29 10:00:00", "Abc 10 10:00:00", "Feb 10 24:00:00", "Feb 10 10:61:00"]
)
def test_a_date_that_does_not_exist_is_no_time(stamp: str) -> None:
    event = aami_xid.parse(LINE.format(stamp), year=2025)
    assert (event.kind, event.time, event.time_kind) == ("xid", None, None)


def test_zones() -> None:
    line = "[Sun Feb 23 16:24:18 2025] NVRM: Xid (PCI:0000:c1:00): 79, x"
    assert aami_xid.parse(line).time == "2025-02-23T16:24:18Z"
    assert aami_xid.parse(line, zone=3600).time == "2025-02-23T15:24:18Z"
    assert aami_xid.parse(line, zone=3600).assumed == ["zone"]


def test_this_machines_own_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "TZ", "America/New_York" if Path("/usr/share/zoneinfo/America/New_York").exists() else "EST5EDT"
    )
    time.tzset()
    try:
        winter = aami_xid.parse("[Sun Feb 23 16:24:18 2025] NVRM: Xid (PCI:0000:c1:00): 79, x", zone="local")
        summer = aami_xid.parse("[Wed Jul 23 16:24:18 2025] NVRM: Xid (PCI:0000:c1:00): 79, x", zone="local")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (winter.time, summer.time) == ("2025-02-23T21:24:18Z", "2025-07-23T20:24:18Z")


@settings(deadline=None)
@given(st.integers(-700000, 2900000))
def test_calendar_arithmetic_is_that_of_the_standard_library(count: int) -> None:
    known = date(1970, 1, 1) + timedelta(count)
    assert civil.date(count) == (known.year, known.month, known.day)
    assert civil.days(known.year, known.month, known.day) == count
    assert civil.valid(known.year, known.month, known.day)


@settings(deadline=None)
@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - a date without a zone is drawn
def test_times_are_written_as_rfc_3339(moment: datetime) -> None:
    micros = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001 - the same
    text = civil.rfc3339(micros)
    assert datetime.fromisoformat(text[:-1]) == moment
    assert text.endswith("Z")
