"""Calendar arithmetic on plain integers: no import, no time zone, no range to fall out of."""

DAY = 86400
MICRO = 1000000
FEBRUARY = 2
FOUR_YEARS, CENTURY, ERA = 1461, 36524, 146097  # days
EPOCH = 719468  # days from 0000-03-01 to 1970-01-01
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def leap(year: "int") -> "bool":
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def month_days(year: "int", month: "int") -> "int":
    if month == FEBRUARY:
        return 29 if leap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def valid(year: "int", month: "int", day: "int") -> "bool":
    return 1 <= month <= 12 and 1 <= day <= month_days(year, month)  # noqa: PLR2004 - months of a year


def days(year: "int", month: "int", day: "int") -> "int":
    """Days since 1970-01-01. The year is taken to begin in March, so that a leap day is its last."""
    shifted = year - (month <= FEBRUARY)
    in_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + in_year - EPOCH


def date(count: "int") -> "tuple[int, int, int]":
    """The inverse of days()."""
    era, in_era = divmod(count + EPOCH, ERA)
    year = (in_era - in_era // (FOUR_YEARS - 1) + in_era // CENTURY - in_era // (ERA - 1)) // 365
    in_year = in_era - (365 * year + year // 4 - year // 100)
    month = (5 * in_year + 2) // 153
    day = in_year - (153 * month + 2) // 5 + 1
    month = month % 12 + 3 if month < 10 else month - 9  # noqa: PLR2004 - January is the tenth from March
    return era * 400 + year + (month <= FEBRUARY), month, day


def rfc3339(epoch_us: "int") -> "str":
    """`2025-02-23T16:24:18.123456Z`; the fraction is left out where there is none."""
    seconds, micros = divmod(epoch_us, MICRO)
    count, left = divmod(seconds, DAY)
    clock = "%02d:%02d:%02d" % (left // 3600, left // 60 % 60, left % 60)
    fraction = ".%06d" % micros if micros else ""
    year, month, day = date(count)
    return "%04d-%02d-%02dT%s%sZ" % (year, month, day, clock, fraction)


def micros(digits: "str") -> "int":
    """A decimal fraction of a second, as printed, in microseconds: `283302` or `3` or `123456789`."""
    return int((digits + "000000")[:6])
