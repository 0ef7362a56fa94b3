"""What time it is: the wall's, and the kernel's own count since boot. Passed in, so that a test can hold it still."""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

_DIGITS = frozenset("0123456789")


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

    The standard library's own way loads `re` and `datetime`.
    """
    from aami_xid import civil  # late: the healthy prolog reads no stamp

    day, _, clock = text.partition("T")
    date = _numbers(day, "-", (4, 2, 2))
    clock, dot, fraction = clock.rstrip("Z").partition(".")
    hour = _numbers(clock, ":", (2, 2, 2)) if clock else [0, 0, 0]
    if date is None or hour is None or not _is_clock(hour) or (dot and not fraction.isdigit()):
        return None
    if date[0] < 1 or not civil.valid(date[0], date[1], date[2]):
        return None
    seconds = (civil.days(date[0], date[1], date[2]) * 24 + hour[0]) * 3600 + hour[1] * 60 + hour[2]
    return seconds + (float("0." + fraction) if dot else 0.0)


def _numbers(text: "str", mark: "str", widths: "Tuple[int, ...]") -> "Optional[List[int]]":
    parts = text.split(mark)
    if [len(part) for part in parts] != list(widths) or not all(_DIGITS.issuperset(part) for part in parts):
        return None
    return [int(part) for part in parts]


def _is_clock(hour: "List[int]") -> "bool":
    return hour[0] < 24 and hour[1] < 60 and hour[2] <= 60  # noqa: PLR2004 - of a clock
