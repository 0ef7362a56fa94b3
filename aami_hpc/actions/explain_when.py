"""Times as people type them: a date, a time of day, or how long ago."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from aami_hpc.errors import UsageFault

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_AGO = re.compile(r"-?\s*(\d{1,6})\s*(s|m|min|h|d|w)(?:\s+ago)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def moment(text: str, now: datetime) -> float:
    """Seconds since 1970. A time without a zone is the zone of `now`."""
    typed = text.strip().lower()
    try:
        found = _named(typed, now) or _ago(typed, now) or _clock(typed, now) or _full(text.strip(), now)
    except (ValueError, OverflowError) as error:
        raise UsageFault(
            f"'{text}' is no time",
            hint="Times look like 2026-11-20, '2026-11-20 03:00', 03:00, 2h, 3d, yesterday",
        ) from error
    return found.timestamp()


def _named(typed: str, now: datetime) -> datetime | None:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {"now": now, "today": today, "yesterday": today - timedelta(days=1)}.get(typed)


def _ago(typed: str, now: datetime) -> datetime | None:
    found = _AGO.fullmatch(typed)
    return now - timedelta(seconds=int(found[1]) * _UNITS[found[2]]) if found else None


def _clock(typed: str, now: datetime) -> datetime | None:
    found = _CLOCK.fullmatch(typed)
    if not found:
        return None
    return now.replace(hour=int(found[1]), minute=int(found[2]), second=int(found[3] or 0), microsecond=0)


def _full(text: str, now: datetime) -> datetime:
    given = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    return given if given.tzinfo else given.replace(tzinfo=now.tzinfo)


def here() -> datetime:
    """Now, in this machine's zone."""
    return datetime.now(timezone.utc).astimezone()
