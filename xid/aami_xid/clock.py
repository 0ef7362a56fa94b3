"""From stamps to times: RFC 3339 in UTC, and what had to be assumed to get there.

A stamp without a year gets the given year, or the latest year that does not lie behind the file's date. A stamp
without a zone is taken as UTC, unless a zone is given: seconds east of UTC, or "local" for this machine's own.
"""

import time

from aami_xid import civil
from aami_xid.event import ASSUMED, MONOTONIC, WALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple, Union

    from aami_xid.event import Event
    from aami_xid.stamps import Seen

    Zone = Optional[Union[int, str]]

SLACK = 86400  # seconds a stamp may lie behind the file's date: clocks and zones differ
OLDEST = 9  # years looked back for a date; a 29 February is at most eight years old
HALF_YEAR, ALMOST_A_YEAR = 180 * 86400, 330 * 86400
LEAP_YEAR = 2000  # stands in for the unknown year where only the order matters


class Clock:
    """Remembers the last time it gave, so that a log that runs into January does not jump back a year."""

    def __init__(
        self, year: "Optional[int]" = None, date: "Optional[float]" = None, zone: "Zone" = None
    ) -> "None":
        self.year = year
        self.date = date
        self.zone = zone
        self.last: "Optional[int]" = None

    def set_time(self, event: "Event", seen: "Seen") -> "None":
        """Give the event its time, time_kind, assumed and moment."""
        if seen.epoch_us is not None:
            self._wall(event, seen.epoch_us, [])
        elif seen.wall is not None:
            self._from_wall(event, seen)
        if event.time is None and seen.mono_us is not None:
            event.time_kind = MONOTONIC
            event.moment = "monotonic", seen.mono_us / civil.MICRO

    def _wall(self, event: "Event", epoch_us: "int", assumed: "list[str]") -> "None":
        event.time = civil.rfc3339(epoch_us)
        event.time_kind = ASSUMED if "year" in assumed else WALL
        event.assumed = assumed
        event.moment = "wall", epoch_us / civil.MICRO

    def _from_wall(self, event: "Event", seen: "Seen") -> "None":
        if seen.wall is None:
            return
        year, month, day, hour, minute, second, micros, offset = seen.wall
        if hour > 23 or minute > 59 or second > 60 or not civil.valid(LEAP_YEAR, month, day):  # noqa: PLR2004 - a clock
            return
        of_day = hour * 3600 + minute * 60 + second
        assumed = ["year"] if year is None else []
        if year is None:
            year = self._year(month, day, of_day)
        if year is None or not civil.valid(year, month, day):
            if "year" in assumed and self.year is None:
                event.moment = (
                    "yearless",
                    civil.days(LEAP_YEAR, month, day) * civil.DAY + of_day + micros / civil.MICRO,
                )
            return
        seconds = civil.days(year, month, day) * civil.DAY + of_day
        if offset is None:
            assumed.append("zone")
            offset = self._offset(seconds, (year, month, day, hour, minute, second))
        self.last = seconds
        self._wall(event, (seconds - offset) * civil.MICRO + micros, assumed)

    def _year(self, month: "int", day: "int", of_day: "int") -> "Optional[int]":
        if self.year is not None:
            return self._rolled(self.year, month, day, of_day)
        if self.date is None:
            return None
        newest, _, _ = civil.date(int(self.date) // civil.DAY)
        for year in range(newest + 1, newest - OLDEST, -1):
            if (
                civil.valid(year, month, day)
                and civil.days(year, month, day) * civil.DAY + of_day <= self.date + SLACK
            ):
                return year
        return None

    def _rolled(self, year: "int", month: "int", day: "int", of_day: "int") -> "int":
        """The given year holds for the first stamp; a jump back by half a year and more is a new year."""
        if self.last is None:
            return year
        near, _, _ = civil.date(self.last // civil.DAY)
        jump = civil.days(near, month, day) * civil.DAY + of_day - self.last
        if jump < -HALF_YEAR:
            return near + 1
        return near - 1 if jump > ALMOST_A_YEAR and near > year else near

    def _offset(self, seconds: "int", parts: "Tuple[int, int, int, int, int, int]") -> "int":
        if self.zone == "local":
            try:
                return seconds - int(time.mktime((*parts, 0, 1, -1)))
            except (OverflowError, ValueError):
                return 0
        return self.zone if isinstance(self.zone, int) else 0
