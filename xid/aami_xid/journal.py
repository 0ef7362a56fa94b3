"""Records of journalctl: the fields of one entry, and `-o export` (blocks, binary fields included)."""

import io

from aami_xid.kernel_record import FACILITY_KERN, KERNEL_NAMES, Record, one_line, to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Dict, Iterator, Optional

BYTE = 256
LONGEST_FIELD = 1 << 20
LENGTH_BYTES = 8
LONGEST_NUMBER = 18  # digits; a time in microseconds has 16


def field(value: "object") -> "str":
    """Journalctl writes text as a string, other bytes as numbers, a repeated field as a list, a huge one as null."""
    if isinstance(value, list):
        if value and all(isinstance(item, int) and 0 <= item < BYTE for item in value):
            return to_text(bytes(value))
        return field(value[0]) if value and isinstance(value[0], str) else ""
    return to_text(value) if isinstance(value, str) else ""


def from_entry(entry: "Dict[str, str]", raw: "str") -> "Record":
    record = Record(raw, "journal")
    record.message = entry["MESSAGE"]
    record.host = entry.get("_HOSTNAME") or None
    record.facility = _number(entry.get("SYSLOG_FACILITY"))
    record.level = _number(entry.get("PRIORITY"))
    record.seen.epoch_us = _number(entry.get("__REALTIME_TIMESTAMP"))
    own = entry.get("_SOURCE_MONOTONIC_TIMESTAMP")
    record.seen.mono_us = _number(own or entry.get("__MONOTONIC_TIMESTAMP"))
    record.kernel = _from_kernel(entry, record.facility)
    return record


def _from_kernel(entry: "Dict[str, str]", facility: "Optional[int]") -> "Optional[bool]":
    if facility not in {None, FACILITY_KERN}:
        return False
    if entry.get("_TRANSPORT"):
        return entry["_TRANSPORT"] == "kernel"
    name = entry.get("SYSLOG_IDENTIFIER")
    return None if not name else name.lower() in KERNEL_NAMES


def _number(text: "Optional[str]") -> "Optional[int]":
    return int(text) if text and len(text) <= LONGEST_NUMBER and not text.strip("0123456789") else None


class Rewound:
    """A stream with the bytes that were read from it to find its format put back."""

    def __init__(self, first: "bytes", stream: "BinaryIO") -> "None":
        self._first = io.BytesIO(first)
        self._stream = stream

    def readline(self) -> "bytes":
        line = self._first.readline()
        return line if line.endswith(b"\n") else line + self._stream.readline()

    def read(self, size: "int") -> "bytes":
        data = self._first.read(size)
        return data if len(data) == size else data + self._stream.read(size - len(data))


def entries(stream: "Rewound") -> "Iterator[Record]":
    """Every entry of an export stream. A broken length ends the reading of that entry, not of the log."""
    entry: "Dict[str, str]" = {}
    for raw in iter(stream.readline, b""):
        line = raw.rstrip(b"\n")
        if not line:
            yield from _finished(entry)
            entry = {}
            continue
        name, equals, value = line.partition(b"=")
        if not equals:
            value = _binary(stream)
        if len(value) <= LONGEST_FIELD:
            entry[to_text(name)] = to_text(value)
    yield from _finished(entry)


def _binary(stream: "Rewound") -> "bytes":
    length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
    if length > LONGEST_FIELD:
        return b""
    value = stream.read(length)
    stream.readline()
    return value


def _finished(entry: "Dict[str, str]") -> "Iterator[Record]":
    if "MESSAGE" in entry:
        yield from_entry(entry, one_line(entry["MESSAGE"]))
