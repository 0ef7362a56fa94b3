"""Text from outside: job comments, process names, log lines, reasons. Anybody can write it, so it is cut and escaped."""

_PRINTABLE = frozenset(chr(code) for code in range(0x20, 0x7F))


def plain(text: "str", limit: "int") -> "str":
    """Printable ASCII in one line: runs of blanks become one, everything else `?`, the end is marked when cut."""
    told = "".join(
        char if char in _PRINTABLE else " " if char.isspace() else "?" for char in text[: limit * 4]
    )
    told = " ".join(told.split())
    return told if len(told) <= limit else told[: max(0, limit - 2)].rstrip() + ".."


def decode(raw: "bytes") -> "str":
    r"""Bytes as they came; those that are no UTF-8 as `\xff`."""
    return raw.decode("utf-8", "backslashreplace")
