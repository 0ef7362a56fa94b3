"""One line of any kernel log, taken apart: where it came from, what its prefix says, and the message itself.

Known prefixes: raw /dev/kmsg, dmesg (plain, -T, -x, -r, iso, with caller ids), journalctl (short, iso, full, unix,
monotonic; json is read by journal.py), rsyslog in RFC 3164 and RFC 5424 form, two stamps in one line, `[...]`, and
none at all. Whatever else stands before a message makes it a message that starts there.
"""

import re

from aami_xid import stamps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Match, Optional, Pattern, Union

LEVELS = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"]
LONG_LEVELS = {"emergency": 0, "panic": 0, "critical": 2, "error": 3, "warning": 4}
FACILITIES = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
]
KERNEL_NAMES = {"kernel", "kern", "klogd", "vmunix", "vmkernel"}
BEGINS = r"NVRM:|nvidia-nvswitch[0-9]{1,4}:|nvidia-nvswitch[0-9]{1,4} SXid|nvidia: |nvidia [0-9a-f]{4,8}:|pcieport |pciehp "
FACILITY_KERN, FACILITY_STEP = 0, 8

KMSG = r"(?:[0-9]{1,3}\.[0-9]{1,4}[^,;\s]{0,60},)?([0-9]{1,6}),([0-9]{1,20}),([0-9]{1,20}),([^;]{0,200});(.*)"
RFC5424 = r"(?:<([0-9]{1,3})>)?1 (\S+T\S+|-) (\S+) (\S+) (\S+) (\S+) (?:-|(?:\[[^\]]*\])+) ?\ufeff?"
PRIORITY = r"<([0-9]{1,4})>"
KINDS = r"(%s|local[0-7])%%s(%s)" % ("|".join(FACILITIES), "|".join([*LONG_LEVELS, *LEVELS]))
DECODED = KINDS % " *: *" + r" *: *"
MARKED = r"([^\s\[\]:]{1,255}) +" + KINDS % r"\." + r" +(?=\S)"  # BusyBox, and templates of rsyslog
SENDER = r"(?:([^\s\[\]]{0,254}[^\s\[\]:]) +)?([^\s:\[\]()]{1,64})(?:\[([0-9]{1,10})\])?:(?: |$)"
COLOUR = r"\x1b\[[0-9;]{0,20}[mK]"
QUOTING = " \t>*-\u2022`\"'\ufeff"  # what stands before a pasted line
HEX_ESCAPE = rb"\\x([0-9a-fA-F]{2})"
ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
LINE_ENDS = {ord(char): "\\n" if char == "\n" else "\\x%02x" % ord(char) for char in ENDS}
_compiled: "Dict[str, Pattern[str]]" = {}


class Record:
    """`kernel` is True or False where the source tells who wrote the line, None where it doesn't."""

    __slots__ = ("facility", "host", "indented", "kernel", "level", "message", "raw", "seen", "seq", "source")

    def __init__(self, raw: "str", source: "str" = "text") -> "None":
        self.raw = raw
        self.source = source
        self.message = raw
        self.seen = stamps.Seen()
        self.facility: "Optional[int]" = None
        self.level: "Optional[int]" = None
        self.seq: "Optional[int]" = None
        self.host: "Optional[str]" = None
        self.kernel: "Optional[bool]" = None
        self.indented = (
            False  # blanks and no prefix: how dmesg and journalctl print the further lines of one record
        )


def pattern(text: "str", flags: "int" = 0) -> "Pattern[str]":
    """Compiled at first use, so that importing costs nothing."""
    found = _compiled.get(text)
    if found is None:
        found = _compiled[text] = re.compile(text, flags | re.DOTALL)
    return found


def to_text(line: "Union[bytes, str]") -> "str":
    r"""Bytes that are not UTF-8 become `\xff`, so the text can go into any document and still tells them."""
    if isinstance(line, str):
        line = line.encode("utf-8", "surrogateescape" if _escaped(line) else "backslashreplace")
    return bytes(line).decode("utf-8", "backslashreplace")


def _escaped(line: "str") -> "bool":
    return not any("\ud800" <= char <= "\udfff" and not "\udc80" <= char <= "\udcff" for char in line)


def one_line(text: "str") -> "str":
    """The text with every character escaped that some reader takes for the end of a line."""
    return text.translate(LINE_ENDS) if len(text.splitlines()) > 1 or text[-1:] in ENDS else text


def split(line: "Union[bytes, str]") -> "Record":
    """Take one line (or one /dev/kmsg record with its continuation lines) apart. Never raises."""
    text = to_text(line).rstrip("\r\n\0")
    kmsg = pattern(KMSG).match(text)
    if kmsg:
        return _from_kmsg(text, kmsg)
    if text[:1] in "{\x1e" and '"' in text[:8]:
        from aami_xid import envelope

        found = envelope.from_json(text)
        if found is not None:
            return found
    record = Record(one_line(text))
    text = _as_typed(text)
    at = _prefix(text, record)
    record.message = text[at:].rstrip()
    record.indented = text[:2].isspace() and not text[:at].strip()
    return record


def _as_typed(text: "str") -> "str":
    """Without colours, and without what a web page made of `<`, `'` and blanks."""
    if "\x1b[" in text:
        text = pattern(COLOUR).sub("", text)
    if "&" in text and "<" not in text and ">" not in text:
        from html import unescape as unescape_page

        text = unescape_page(text)
    return text.replace("\xa0", " ")


def _from_kmsg(text: "str", match: "Match[str]") -> "Record":
    record = Record(one_line(text.split("\n", 1)[0]), "kmsg")
    _set_priority(record, int(match.group(1)))
    record.seq, record.seen.mono_us = int(match.group(2)), int(match.group(3))
    record.message = unescape(match.group(5).split("\n", 1)[0])  # KEY=value lines may follow
    return record


def _set_priority(record: "Record", number: "int") -> "None":
    record.facility, record.level = divmod(number, FACILITY_STEP)
    record.kernel = record.facility == FACILITY_KERN


def unescape(text: "str") -> "str":
    r"""Undo the `\x0a` that the kernel writes for bytes that are not printable ASCII."""
    if "\\x" not in text:
        return text
    raw = re.sub(HEX_ESCAPE, lambda match: bytes([int(match.group(1), 16)]), text.encode("utf-8"))
    return raw.decode("utf-8", "backslashreplace")


def begins(text: "str", at: "int") -> "bool":
    """Whether a record of a driver, and not a sender's name, stands at this place."""
    return pattern(BEGINS, re.IGNORECASE).match(text, at) is not None


def _prefix(text: "str", record: "Record") -> "int":
    from aami_xid import envelope

    at = envelope.behind(text, len(text) - len(text.lstrip(QUOTING)), record)
    match = pattern(RFC5424).match(text, at)
    if match:
        return _from_rfc5424(text, match, record)
    match = pattern(PRIORITY).match(text, at)
    if match:
        _set_priority(record, int(match.group(1)))
        at = match.end()
    match = pattern(DECODED).match(text, at)
    if match:
        _set_kind(record, match.group(1), match.group(2))
        at = match.end()
    at = stamps.take(text, at, record.seen)
    return at if begins(text, at) else _sender(text, at, record)


def _set_kind(record: "Record", facility: "str", level: "str") -> "None":
    number = FACILITIES.index(facility) if facility in FACILITIES else 16 + int(facility[-1])
    weight = LONG_LEVELS[level] if level in LONG_LEVELS else LEVELS.index(level)
    _set_priority(record, number * FACILITY_STEP + weight)


def _sender(text: "str", at: "int", record: "Record") -> "int":
    marked = pattern(MARKED).match(text, at)
    if marked:
        _set_kind(record, marked.group(2), marked.group(3))
        record.host = marked.group(1)
        at = marked.end()
    match = pattern(SENDER).match(text, at)
    if not match:
        return at
    record.host = match.group(1) or record.host
    _set_sender(record, match.group(2), match.group(3))
    return stamps.take(text, match.end(), record.seen)


def _set_sender(record: "Record", name: "str", pid: "Optional[str]") -> "None":
    """Only the kernel's own name, without a process id, is the kernel; a known facility has the last word."""
    named = name.lower() in KERNEL_NAMES and (pid or "0").strip("0-") == ""
    record.kernel = named and record.facility in {None, FACILITY_KERN}
    record.source = "syslog"


def _from_rfc5424(text: "str", match: "Match[str]", record: "Record") -> "int":
    stamps.take(match.group(2) + " ", 0, record.seen)
    if match.group(1):
        _set_priority(record, int(match.group(1)))
    record.host = None if match.group(3) == "-" else match.group(3)
    _set_sender(record, match.group(4), match.group(5))
    return stamps.take(text, match.end(), record.seen)
