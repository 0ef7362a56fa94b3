"""Time stamps that stand before a kernel message, read from the left: each pattern takes one and says what it knew."""

import re

from aami_xid import civil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Match, Optional, Pattern, Tuple

    Reader = Callable[[Match[str], "Seen"], None]

# Month names of journalctl and syslog where the reader's language is not English; the unambiguous ones only.
FOREIGN = {
    "jän": 1, "janv": 1, "ene": 1, "gen": 1, "févr": 2, "fév": 2, "fev": 2, "mär": 3, "mrz": 3, "märz": 3, "mars": 3,
    "mrt": 3, "avr": 4, "abr": 4, "mai": 5, "maj": 5, "mag": 5, "mei": 5, "juin": 6, "juni": 6, "giu": 6, "juil": 7,
    "juli": 7, "lug": 7, "août": 8, "aoû": 8, "ago": 8, "sept": 9, "set": 9, "okt": 10, "ott": 10, "out": 10,
    "dez": 12, "déc": 12, "dic": 12,
}  # fmt: skip
CLOCK = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?"
DAY_NAME = r"(?:[^\W\d_]{1,4}\.?,? )"
MONTH = r"([^\W\d_]{3,5}|[0-9]{1,2}[月월])\.?"


class Seen:
    """What the stamps of one line said. `wall` is (year or None, month, day, hour, minute, second, micros, offset)."""

    __slots__ = ("epoch_us", "mono_us", "wall")

    def __init__(self) -> "None":
        self.wall: "Optional[Tuple[Optional[int], int, int, int, int, int, int, Optional[int]]]" = None
        self.epoch_us: "Optional[int]" = None
        self.mono_us: "Optional[int]" = None


def month_number(name: "str") -> "int":
    """1 to 12, or 0 for a name we don't know."""
    if name[0].isdigit():
        return int(name[:-1])
    low = name.lower()
    if low[:3] in civil.MONTHS and low not in FOREIGN:
        return civil.MONTHS.index(low[:3]) + 1
    return FOREIGN.get(low, 0)


def _offset(text: "Optional[str]") -> "Optional[int]":
    if not text:
        return None
    if text in {"Z", "z", "UTC", "GMT"}:
        return 0
    if text[0] not in "+-":
        return None  # a zone's name: the same letters mean several zones
    digits = text[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if text[0] == "-" else seconds


def _iso(match: "Match[str]", seen: "Seen") -> "None":
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    fraction = civil.micros(match.group(7) or "0")
    seen.wall = year, month, day, hour, minute, second, fraction, _offset(match.group(8))


def _syslog(match: "Match[str]", seen: "Seen") -> "None":
    month = month_number(match.group(1))
    if month:
        year = int(match.group(3)) if match.group(3) else None
        hour, minute, second = (int(part) for part in match.group(4, 5, 6))
        day, fraction = int(match.group(2)), civil.micros(match.group(7) or "0")
        seen.wall = year, month, day, hour, minute, second, fraction, None


def _ctime(match: "Match[str]", seen: "Seen") -> "None":
    month = month_number(match.group(1))
    if month:
        hour, minute, second = (int(part) for part in match.group(3, 4, 5))
        year = int(match.group(7)) if match.group(7) else None
        seen.wall = year, month, int(match.group(2)), hour, minute, second, 0, None


def _minute(match: "Match[str]", seen: "Seen") -> "None":
    month = month_number(match.group(1))
    if month:
        seen.wall = None, month, int(match.group(2)), int(match.group(3)), int(match.group(4)), 0, 0, None


def _unix(match: "Match[str]", seen: "Seen") -> "None":
    seen.epoch_us = int(match.group(1)) * civil.MICRO + civil.micros(match.group(2))


def _monotonic(match: "Match[str]", seen: "Seen") -> "None":
    seen.mono_us = int(match.group(1)) * civil.MICRO + civil.micros(match.group(2) or "0")


def _nothing(_match: "Match[str]", _seen: "Seen") -> "None":
    """Stands there, tells no time: a placeholder, a caller id, a difference to the line before."""


# Tried in this order at every place; a line may carry several (syslog's own and the kernel's inside it).
PATTERNS = [
    (r"\[ *([0-9]{1,10})\.([0-9]{1,9})(?: *<[ +0-9.]*>)? *\]", _monotonic),
    (r"\[%s%s +([0-9]{1,2}) %s(?: ([0-9]{4}))?\]" % (DAY_NAME, MONTH, CLOCK), _ctime),
    (r"%s([0-9]{4})-([0-9]{2})-([0-9]{2}) %s ([A-Z]{3,5}|[+-][0-9]{2,4})(?= )" % (DAY_NAME, CLOCK), _iso),
    (r"\[?([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]%s ?(Z\b|UTC\b|GMT\b|[+-][0-9]{2}:?[0-9]{2}\b)?(?:\]:?)?" % CLOCK, _iso),
    (r"%s ([0-9 ][0-9]|[0-9])(?: ([0-9]{4}))? %s(?= |$)" % (MONTH, CLOCK), _syslog),
    (r"([0-9]{9,10})\.([0-9]{3,9})(?= )", _unix),
    (r"([0-9]{10})\.([0-9]{1,2})(?= )", _unix),
    (r"\[ *([0-9]{1,10})(?:\.([0-9]{1,9}))? ?s\]", _monotonic),
    (r"\[%s ?([0-9]{1,2}) ([0-9]{2}):([0-9]{2})\]" % MONTH, _minute),
    (r"\[ *[<+][ +]*[0-9]+\.[0-9]+ *>?\]", _nothing),
    (r"\[(?:\.\.\.|…)\]", _nothing),
    (r"\[ *[TC][0-9]{1,10}\]", _nothing),
    (r"std(?:out|err) [FP] ", _nothing),  # containers' logs (CRI)
    (r"\{[a-z_][a-z0-9_.]{0,60}=\"[^{}]{0,2000}\}(?= )", _nothing),  # labels of Loki
    (r"(?:Al|Cr|Er|Wa|No|In|Db)\([0-9]{1,3}\)(?= )", _nothing),  # ESXi
    (r"cpu[0-9]{1,4}:[0-9]{1,10}(?: opID=\S{1,40})?\)", _nothing),
    (r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?= )", _nothing),
    (r"(?:%s) ?[0-9]{1,2}(?= +[^ :]*:? )" % "|".join(name.capitalize() for name in civil.MONTHS), _nothing),
]  # fmt: skip
_compiled: "List[Tuple[Pattern[str], Reader]]" = []


def patterns() -> "List[Tuple[Pattern[str], Reader]]":
    if not _compiled:
        _compiled.extend((re.compile(text), reader) for text, reader in PATTERNS)
    return _compiled


def take(text: "str", at: "int", seen: "Seen") -> "int":
    """Read as many stamps as stand at `at`, and return the place behind them and their blanks."""
    for _ in range(5):
        at = _skip(text, at)
        for pattern, reader in patterns():
            match = pattern.match(text, at)
            if match:
                reader(match, seen)
                at = match.end()
                break
        else:
            return at
    return _skip(text, at)


def _skip(text: "str", at: "int") -> "int":
    while at < len(text) and text[at] in " \t":
        at += 1
    return at
