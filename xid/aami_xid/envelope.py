"""Log lines inside other tools' lines: the JSON of containers and collectors, and what gatherers put in front.

What is inside has to be a whole line again. Only then a name in front is that of a host or file, not of a program.
"""

import json

from aami_xid import civil, journal, stamps
from aami_xid import kernel_record as lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from aami_xid.kernel_record import Record

MESSAGES = ("MESSAGE", "message", "log", "msg", "line", "text", "textPayload")
TIMES = ("@timestamp", "timestamp", "time", "ts", "date")
HOSTS = ("_HOSTNAME", "hostname", "host", "node")
INNER = ("jsonPayload", "_source", "fields", "labels")
JOURNAL = ("_TRANSPORT", "SYSLOG_IDENTIFIER", "SYSLOG_FACILITY", "__REALTIME_TIMESTAMP")
LONGEST_NUMBER = 19  # digits; nanoseconds since 1970
IN_SECONDS = 10

# kubectl logs --prefix, docker compose, grep -n, cat -n, one member of an indented JSON object
GATHERED = (
    r"\[pod/[^\s\]]{1,300}\] |[\w.-]{1,100} +\| |[0-9]{1,9}(?:[:\t]| +(?=\[)) *"
    r"|(?:%s)\" ?: ?\"" % "|".join(MESSAGES)
)
NAMED = r"([^\s:\[\]()<>]{1,253}):(?:[0-9]{1,9}:)?( *)"  # pdsh, clush, talosctl; grep with a file's name


def from_json(text: "str") -> "Optional[Record]":
    """The record of one object, or None if it holds no message. A journal entry tells who wrote it, others don't."""
    try:
        entry = json.loads(text.lstrip("\x1e"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    known = _flat(entry)
    message = next((known[name] for name in MESSAGES if known.get(name)), None)
    if message is None:
        return None
    raw = lines.one_line(text)
    if "MESSAGE" in known or any(name in known for name in JOURNAL):
        record = journal.from_entry(dict(known, MESSAGE=message), raw)
    else:
        record = lines.split(message)
        record.raw = raw
    _complete(record, known)
    return record


def _flat(entry: "Dict[Any, Any]") -> "Dict[str, str]":
    found: "Dict[str, str]" = {}
    for name in INNER:
        if isinstance(entry.get(name), dict):
            found.update(_flat({key: value for key, value in entry[name].items() if key not in INNER}))
    for name, value in entry.items():
        inner = value.get("name") if isinstance(value, dict) else value  # {"host": {"name": …}}
        text = str(inner) if isinstance(inner, (int, float)) else journal.field(inner)
        if text:
            found[str(name)] = text
    return found


def _complete(record: "Record", known: "Dict[str, str]") -> "None":
    """Time and host of the envelope, where the line inside has none."""
    if record.host is None:
        record.host = next((known[name] for name in HOSTS if known.get(name)), None)
    if record.seen.wall is None and record.seen.epoch_us is None:
        for stamp in (known[name] for name in TIMES if known.get(name)):
            whole, _, fraction = stamp.partition(".")
            if whole.isdigit() and len(whole) >= IN_SECONDS:
                record.seen.epoch_us = _epoch(whole, fraction)
            else:
                stamps.take(stamp + " ", 0, record.seen)
            return


def _epoch(whole: "str", fraction: "str") -> "Optional[int]":
    """Seconds with a fraction, or milliseconds, microseconds, nanoseconds, by the number of digits."""
    if len(whole) > LONGEST_NUMBER or fraction.strip("0123456789"):
        return None
    return int(whole[:IN_SECONDS]) * civil.MICRO + civil.micros(whole[IN_SECONDS:] + fraction or "0")


def behind(text: "str", at: "int", record: "Record") -> "int":
    """The place behind what a gatherer wrote, and the same place where nothing such stands."""
    if lines.begins(text, at) or begins_line(text, at):
        return at
    match = lines.pattern(GATHERED).match(text, at)
    if match:
        end = match.end()
        return end if lines.begins(text, end) or begins_line(text, end) else at
    match = lines.pattern(NAMED).match(text, at)
    if match and begins_line(text, match.end()) and match.group(1).lower() not in lines.KERNEL_NAMES:
        if match.group(2) and "/" not in match.group(1):
            record.host = match.group(1)
        return match.end()
    return at


def begins_line(text: "str", at: "int") -> "bool":
    """Whether a line of a log begins here: with a priority or a stamp."""
    forms = (lines.PRIORITY, lines.DECODED, lines.RFC5424)
    return any(lines.pattern(form).match(text, at) for form in forms) or any(
        found.match(text, at) for found, _ in stamps.patterns()
    )
