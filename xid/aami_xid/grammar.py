"""Messages of the NVIDIA drivers: which kind of event, which device, which code, and what the driver's text is.

A message is a driver's only if it *begins* as one. Nothing is searched for inside a line.
"""

import re

from aami_xid import companions, process
from aami_xid.device import address
from aami_xid.event import BUS_ID, NO_BUS_ID, NOT_DRIVER, NOT_KERNEL, Event
from aami_xid.impostor import about_a_name
from aami_xid.kernel_record import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from aami_xid.kernel_record import Record

XID = (
    r"NVRM:\s*Xid\s*(?:\((?P<where>[^()]{0,99})\)|(?P<plain>PCI:[0-9a-f:.]{7,30}))(?:\s*:\s*|\s+)"
    r"(?P<code>[0-9]{1,9})(?![0-9])(?P<rest>.*)"
)
BARE = r"NVRM:\s*Xid\s+(?P<code>[0-9]{1,9})(?![0-9])\s*(?P<rest>[:,].*)"  # driver 610: no brackets, no device
XID_LIKE = r"NVRM:\s*Xid\b"
SXID = r"nvidia-nvswitch(?P<switch>[0-9]{1,4}):?\s+SXid\s*\((?P<where>[^()]{0,99})\)\s*:\s*(?P<code>[0-9]{1,9})(?![0-9])(?P<rest>.*)"
CAUSED_BY = r"(?:^|.*\s)caused by previous Xid ([0-9]{1,9})\.?\s*$"
CHANNEL = r"Ch(?:annel)?(?: ?ID)? +(?:0x)?([0-9a-f]{1,16})\b"
LONGEST = 4096  # the kernel cuts a record near 1000 characters


def interpret(record: "Record") -> "Event":
    """The event of one record. `kind` is `text` for everything that isn't a driver's message."""
    message = record.message[:LONGEST]
    event = _xid(message, record) or _sxid(message, record) or companions.match(message, record.raw)
    if record.kernel is False:
        event = _text(record, NOT_KERNEL)
    elif event is None:
        event = _text(record, NO_BUS_ID)
    elif event.trust == NO_BUS_ID and about_a_name(message):
        event = _text(record, NOT_DRIVER)
    event.facility, event.seq, event.host, event.source = (
        record.facility,
        record.seq,
        record.host,
        record.source,
    )
    event.mono_us = record.seen.mono_us
    return event


def _text(record: "Record", trust: "str") -> "Event":
    event = Event("text", record.raw)
    event.trust = trust
    return event


def _xid(message: "str", record: "Record") -> "Optional[Event]":
    match = pattern(XID, re.IGNORECASE).match(message)
    if match is None:
        return _bare(message, record) or _unreadable(message, record)
    if not _ends_code(match.group("rest")):
        return _unreadable(message, record)
    event = Event("xid", record.raw)
    event.code = int(match.group("code"))
    event.bus_id, event.mig = address(match.group("where") or match.group("plain"))
    event.trust = BUS_ID if event.bus_id else NO_BUS_ID
    _attribute(event, match.group("rest"))
    return event


def _bare(message: "str", record: "Record") -> "Optional[Event]":
    """Without a device, all up to the second colon fits into a process name: then only a known text is the driver's."""
    match = pattern(BARE, re.IGNORECASE).match(message)
    if match is None:
        return None
    text = match.group("rest").lstrip(",: ")
    if not text or not (text.startswith("pid=") or process.starts_body(text)):
        return _text(record, NOT_DRIVER)
    event = Event("xid", record.raw)
    event.code = int(match.group("code"))
    _attribute(event, text)
    return event


def _ends_code(rest: "str") -> "bool":
    return not rest or rest[0] in ",: (."


def _unreadable(message: "str", record: "Record") -> "Optional[Event]":
    """A driver's Xid line whose device or code can't be read: kept, and said."""
    if not pattern(XID_LIKE, re.IGNORECASE).match(message):
        return None
    event = Event("nvrm", record.raw)
    event.fields = {"text": message, "undecoded": "an Xid line without a readable code"}
    return event


def _attribute(event: "Event", rest: "str") -> "None":
    """Process, channel and cause; what is left is the driver's own text, in fields["text"]."""
    event.pid, event.process, text, certain = process.split(rest.lstrip(",: "))
    event.fields["text"] = text.rstrip()
    if not certain:
        event.fields["name_end"] = "uncertain: the text after the process name is of no known form"
        return
    cause = pattern(CAUSED_BY, re.IGNORECASE).match(text)
    event.caused_by = int(cause.group(1)) if cause else None
    channel = pattern(CHANNEL, re.IGNORECASE).match(text)
    event.channel = "0x%08x" % int(channel.group(1), 16) if channel else None


def _sxid(message: "str", record: "Record") -> "Optional[Event]":
    match = pattern(SXID, re.IGNORECASE).match(message)
    if match is None or not _ends_code(match.group("rest")):
        return None
    event = Event("sxid", record.raw)
    event.code = int(match.group("code"))
    event.bus_id, _ = address(match.group("where"))
    event.trust = BUS_ID if event.bus_id else NO_BUS_ID
    event.fields = {"switch": int(match.group("switch")), "text": match.group("rest").lstrip(",: ").rstrip()}
    return event
