"""What a person typed as a code, and as a log line."""

from aami_xid.guide.unknown import SXID_FROM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

HIGHEST = 999999  # no driver's number comes near


class NotACode(ValueError):
    """Its text says why."""


def code(typed: "str") -> "int":
    """The number in `79`, `079`, `Xid 79` or `xid79`."""
    digits = typed.strip().lower()
    for start in ("sxid", "xid"):
        if digits.startswith(start):
            digits = digits[len(start) :].strip(" :-")
            break
    if not digits or set(digits) - set("0123456789"):
        raise NotACode("'%s' is no code: codes are numbers, such as 79" % typed)
    if len(digits.lstrip("0")) > len(str(HIGHEST)):
        raise NotACode("'%s' is no code: no driver has a number as high" % typed)
    return int(digits)


def codes(typed: "List[str]") -> "List[Tuple[str, int]]":
    """Codes whose kind was not said: their size tells it."""
    found = [code(one) for one in typed]
    return [("sxid" if number >= SXID_FROM else "xid", number) for number in found]


def is_line(typed: "str") -> "bool":
    """Whether this is a pasted line rather than a word."""
    if not any(char.isspace() for char in typed.strip()):
        return False
    try:
        code(typed)
    except NotACode:
        return True
    return False


def lines(typed: "List[str]") -> "List[str]":
    """The lines in these arguments: a line was quoted, or its words stand apart."""
    if not any(is_line(one) for one in typed):
        return [" ".join(typed)]
    return [line for one in typed for line in one.splitlines() if line.strip()]
