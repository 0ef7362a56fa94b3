"""JSON without `re`: importing `json` costs a hook as much as starting Python does.

Uses the accelerator that `json` itself is built on, and `json` where an interpreter lacks it or has changed it.
Documents are one line, keys in the order given, non-ASCII escaped: what a hook writes, every reader can read.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLANKS = " \t\r\n"


class NotJson(ValueError):  # noqa: N818 - the house's way to name errors
    """The text is no JSON document, or more than one."""


class _Rules:
    """What the scanner asks of a `json.JSONDecoder`."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float  # NaN and the infinities, in json's own spelling
    memo: "Any" = {}  # noqa: RUF012 - as the scanner wants it


def _refuse(value: "Any") -> "Any":
    raise TypeError("%s has no form in JSON" % type(value).__name__)


def _accelerated() -> "Any":
    """(scan, encode) of the accelerator, tried once; None where it does not do what it should."""
    try:
        import _json

        rules: "Any" = _Rules()
        scan = _json.make_scanner(rules)
        escape = _json.encode_basestring_ascii
        # circles, unknown types, text, indent, separators, then: sort keys, skip odd keys, allow NaN
        make = _json.make_encoder(None, _refuse, escape, None, ":", ",", *[False] * 3)
        works = "".join(make({"a": [1, None]}, 0)) == '{"a":[1,null]}' and scan("[1]", 0) == ([1], 3)
    except Exception:  # noqa: BLE001 - private to CPython: whatever is wrong with it, json is right
        return None
    return (scan, make) if works else None


_FAST = _accelerated()


def loads(text: "str") -> "Any":
    """The value of one JSON document, or NotJson."""
    if _FAST is not None:
        begin = len(text) - len(text.lstrip(_BLANKS))
        try:
            value, end = _FAST[0](text, begin)
        except Exception:  # noqa: BLE001 - how the scanner complains differs by release: json finds the words
            return _slow(text)
        if not text[end:].strip(_BLANKS):
            return value
    return _slow(text)


def _slow(text: "str") -> "Any":
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from None


def dumps(value: "Any") -> "str":
    """One line of ASCII. NaN and what JSON has no form for are refused with ValueError or TypeError."""
    if _FAST is None:
        import json

        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    return "".join(_FAST[1](value, 0))
