"""What time it is: the wall's, and the kernel's own count since boot. Passed in, so that a test can hold it still."""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

_DIGITS = frozenset("0123456789")
_FEBRUARY = 2
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_BEFORE = tuple(sum(_LENGTHS[:month]) for month in range(12))
_EPOCH = 719162  # days from the year 1 to 1970


class Clock:
    """The real one. `mono` counts as the kernel log does: seconds since boot, sleep left out."""

    def wall(self) -> "float":
        return time.time()

    def mono(self) -> "float":
        return time.monotonic()

    def sleep(self, seconds: "float") -> "None":
        time.sleep(seconds)


def stamp(wall: "float") -> "str":
    """RFC 3339 in UTC, to the millisecond: 2026-11-20T03:04:05.678Z."""
    whole = int(wall // 1)
    told = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return "%s.%03dZ" % (told, int((wall - whole) * 1000))


def seconds_of(text: "str") -> "Optional[float]":
    """Seconds since 1970 of a UTC stamp or date (`2026-11-20`, `...T03:04:05Z`, with or without a fraction), else None.

    By hand: what the library has for it loads `re` and `datetime`.
    """
    day, _, clock = text.partition("T")
    date = _numbers(day, "-", (4, 2, 2))
    clock, dot, fraction = clock.rstrip("Z").partition(".")
    hour = _numbers(clock, ":", (2, 2, 2)) if clock else [0, 0, 0]
    if date is None or hour is None or not _is_moment(date, hour) or (dot and not fraction.isdigit()):
        return None
    seconds = (_days(date[0], date[1], date[2]) * 24 + hour[0]) * 3600 + hour[1] * 60 + hour[2]
    return seconds + (float("0." + fraction) if dot else 0.0)


def _numbers(text: "str", mark: "str", widths: "Tuple[int, ...]") -> "Optional[List[int]]":
    parts = text.split(mark)
    if [len(part) for part in parts] != list(widths) or not all(_DIGITS.issuperset(part) for part in parts):
        return None
    return [int(part) for part in parts]


def _is_moment(date: "List[int]", hour: "List[int]") -> "bool":
    if not 1 <= date[1] <= len(_BEFORE) or date[0] < 1:
        return False
    leap = date[1] == _FEBRUARY and _is_leap(date[0])
    length = _LENGTHS[date[1] - 1] + leap
    return 1 <= date[2] <= length and hour[0] < 24 and hour[1] < 60 and hour[2] <= 60  # noqa: PLR2004 - of a clock


def _days(year: "int", month: "int", day: "int") -> "int":
    """Days since 1970-01-01, by the calendar of today."""
    before = year - 1
    leaps = before // 4 - before // 100 + before // 400
    past = _BEFORE[month - 1] + (1 if month > _FEBRUARY and _is_leap(year) else 0)
    return before * 365 + leaps + past + day - 1 - _EPOCH


def _is_leap(year: "int") -> "bool":
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
