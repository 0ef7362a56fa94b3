"""`log` of aami-xid.pyz: the faults in files and pipes."""

import os
import sys
import time

import aami_xid
from aami_xid.guide import log, opened
from aami_xid.guide.text import to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Iterator, List, Optional

    from aami_xid.event import Event
    from aami_xid.story import Group

SHOWN = 500  # the newest groups; more are counted


class Unreadable(Exception):
    """Its text says which file, and why."""


def run(files: "List[str]", year: "Optional[int]", as_json: "bool") -> "int":  # noqa: FBT001 - the command's own flag
    if as_json:
        return _json(files, year)
    count, needy, seen = 0, 0, 0
    newest: "List[Group]" = []
    for group in aami_xid.group_stream(_events(files, year)):
        count += 1
        needy += group.needs_action
        seen += group.count
        newest = [*newest[-SHOWN + 1 :], group]
    head = ("", [("", log.headline(count, needy, seen))])
    sys.stdout.write(to_text([*(log.section(group, "aami-xid.pyz") for group in newest), head]))
    return 1 if needy else 0


def _json(files: "List[str]", year: "Optional[int]") -> "int":
    import json

    events = list(_events(files, year))
    groups = aami_xid.group(events)
    found = {
        "events": [event.to_dict() for event in events],
        "incidents": [group.to_dict() for group in groups],
    }
    print(json.dumps(found, indent=2))
    return 1 if any(group.needs_action for group in groups) else 0


def _events(files: "List[str]", year: "Optional[int]") -> "Iterator[Event]":
    for name in files:
        try:
            if name == "-":
                yield from _of(sys.stdin.buffer, year, time.time())
                continue
            with open(name, "rb") as stream:
                yield from _of(stream, year, os.fstat(stream.fileno()).st_mtime)
        except opened.NoZstd:
            raise Unreadable(
                "%s: this Python can't read zstd. Try: zstd -dc FILE | ... log -" % name
            ) from None
        except opened.damage() as error:
            raise Unreadable("%s: %s" % (name, error)) from error


def _of(stream: "BinaryIO", year: "Optional[int]", date: "Optional[float]") -> "Iterator[Event]":
    return aami_xid.read(opened.plain(stream), year=year, date=date, zone="local")
