"""Times as people type them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from aami_hpc.actions.explain_when import here, moment
from aami_hpc.errors import UsageFault

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 11, 20, 11, 30, 15, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("now", NOW),
        ("2h", NOW - timedelta(hours=2)),
        ("-90s", NOW - timedelta(seconds=90)),
        ("3 d ago", NOW - timedelta(days=3)),
        ("1w", NOW - timedelta(weeks=1)),
        ("today", datetime(2026, 11, 20, tzinfo=ZONE)),
        ("yesterday", datetime(2026, 11, 19, tzinfo=ZONE)),
        ("03:05", datetime(2026, 11, 20, 3, 5, tzinfo=ZONE)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=ZONE)),
        ("2026-11-01 04:05", datetime(2026, 11, 1, 4, 5, tzinfo=ZONE)),
        ("2026-11-01T04:05:06Z", datetime(2026, 11, 1, 4, 5, 6, tzinfo=timezone.utc)),
        ("2026-11-01T04:05:06+05:30", datetime(2026, 10, 31, 22, 35, 6, tzinfo=timezone.utc)),
    ],
)
def test_a_time(typed: str, meant: datetime) -> None:
    assert moment(typed, NOW) == meant.timestamp()


@pytest.mark.parametrize("typed", ["", "soon", "25:00", "2026-13-01", "2h later", "999999w", "79"])
def test_what_is_no_time(typed: str) -> None:
    with pytest.raises(UsageFault, match="is no time"):
        moment(typed, NOW)


def test_here_has_a_zone() -> None:
    assert here().tzinfo is not None
