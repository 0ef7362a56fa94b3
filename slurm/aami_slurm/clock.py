"""What time it is: the wall's, and the kernel's own count since boot. Passed in, so that a test can hold it still."""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


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
    """Seconds since 1970 of a UTC stamp or date (`2026-11-20`, `…T03:04:05Z`, with or without a fraction), else None."""
    import calendar

    day, _, clock = text.partition("T")
    clock, dot, fraction = clock.rstrip("Z").partition(".")
    try:
        parsed = time.strptime(day + " " + (clock or "00:00:00"), "%Y-%m-%d %H:%M:%S")
        return calendar.timegm(parsed) + (float("0." + fraction) if dot else 0.0)
    except ValueError:
        return None
