"""New records of the kernel log, from the cursor on, as events of the journal: once each, whichever hook reads them.

/dev/kmsg gives one record a read. A regular file with raw records, one a line, is read the same way; an unfinished
last line is left for the next time. What can be believed of a record, and whose it was, is decided in `believe.py`.
"""

import errno
import os
import stat

from aami_slurm.state import MICRO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from aami_slurm.book import Book
    from aami_xid.event import Event

LONGEST_RECORD = 8192  # what the kernel itself formats at most; a shorter buffer is an error, not a part
MOST_RECORDS = 1 << 18  # of one look; a log that grows faster than it is read does not keep a hook
MOST_MARKED = 2048  # of one look; the rest is read by the next one
LARGEST_FILE = 64 << 20
DRIVERS = (b"NVRM", b"nvidia-nvswitch")
DRIFT = 2e-4  # the kernel log's clock against ours: it is not disciplined by NTP
OFFSET_US = MICRO


class Read:
    """`found` are (kernel sequence number, event or None, records lost before it). `before` tells how many records
    there had been when the first look of a boot came too late for them.
    """

    def __init__(self, cursor: "Optional[int]") -> "None":
        self.found: "List[Tuple[int, Optional[Event], int]]" = []
        self.last_seq = cursor
        self.lost = 0
        self.before = 0
        self.driver_lines = False
        self.trouble: "Optional[str]" = None
        self.whole = True  # up to the end of the log
        self.first_us: "Optional[int]" = None  # the first and the last new record, by the kernel's clock
        self.last_us: "Optional[int]" = None

    @property
    def events(self) -> "List[Event]":
        return [event for _, event, _ in self.found if event is not None]


class Taken:
    """`new` are the events as they were journalled. `driver_lines`: the driver said something, of interest or not."""

    __slots__ = ("driver_lines", "new", "trouble")

    def __init__(self, new: "List[Dict[str, Any]]", driver_lines: "bool", trouble: "Optional[str]") -> "None":  # noqa: FBT001 - one value of three
        self.new = new
        self.driver_lines = driver_lines
        self.trouble = trouble


class _Scan:
    """Collects new records as they come; most are only counted."""

    def __init__(self, cursor: "Optional[int]") -> "None":
        self.cursor = -1 if cursor is None else cursor
        self.begun = cursor is not None
        self.before = 0
        self.marked: "List[Tuple[int, Optional[bytes], int]]" = []
        self.first = self.last = b""
        self.garbled = False
        self.lost = 0

    def new(self, seq: "int", record: "bytes") -> "bool":
        """Take a record whose number is beyond the cursor. False when no more can be taken."""
        missing = seq - self.cursor - 1
        if missing and not self.begun:
            self.before = missing
        elif missing:
            self._gap(seq - 1, missing)
        self.begun = True
        self.cursor = seq
        self.first = self.first or record
        self.last = record
        if b"NVRM" in record or b"nvidia" in record:
            self.marked.append((seq, record, 0))
        return len(self.marked) < MOST_MARKED

    def _gap(self, seq: "int", missing: "int") -> "None":
        self.lost += missing
        if self.marked and self.marked[-1][1] is None:
            missing += self.marked.pop()[2]
        self.marked.append((seq, None, missing))


def read(path: "str", cursor: "Optional[int]") -> "Read":
    """What is new behind this kernel sequence number; None for a first look. Never raises, never waits."""
    told = Read(cursor)
    scan = _Scan(cursor)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            told.whole = _read(handle, scan)
        finally:
            os.close(handle)
    except OSError as error:
        told.trouble = "%s: %s" % (path, error.strerror)
    if scan.garbled and told.trouble is None:
        told.trouble = "%s: not every record has a number" % path
    if scan.begun:
        told.last_seq = scan.cursor
    told.before, told.lost = scan.before, scan.lost
    told.first_us, told.last_us = _stamp(scan.first), _stamp(scan.last)
    if scan.marked:
        _interpret(scan, told)
    return told


def _read(handle: "int", scan: "_Scan") -> "bool":
    mode = os.fstat(handle).st_mode
    if stat.S_ISCHR(mode):
        return _read_device(handle, scan)
    if stat.S_ISREG(mode):
        return _read_file(handle, scan)
    raise OSError(errno.ENODEV, "neither the kernel's device nor a file")


def _read_device(handle: "int", scan: "_Scan") -> "bool":
    """Record by record: a seek to a sequence number is not to be had, so what was seen is skipped as fast as can be."""
    left = MOST_RECORDS
    get = os.read
    while left > 0:
        try:
            while left > 0:
                record = get(handle, LONGEST_RECORD)
                left -= 1
                number = int(record.split(b",", 2)[1])
                if number > scan.cursor and not scan.new(number, record):
                    return False
        except BlockingIOError:  # noqa: PERF203 - one `try` for thousands of reads
            return True
        except BrokenPipeError:  # overwritten while we read: the gap shows in the next record's number
            left -= 1
        except (ValueError, IndexError):
            if not record:
                return True
            scan.garbled = True
    return False


def _read_file(handle: "int", scan: "_Scan") -> "bool":
    if os.fstat(handle).st_size > LARGEST_FILE:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    with os.fdopen(os.dup(handle), "rb") as source:
        data = source.read(LARGEST_FILE)
    lines = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]
    record = b""
    for line in lines:
        if line.startswith(b" "):
            record += b"\n" + line  # a further line of the same record
        else:
            if record and not _take(record, scan):
                return False
            record = line
    return not record or _take(record, scan)


def _take(record: "bytes", scan: "_Scan") -> "bool":
    parts = record.split(b",", 2)
    number = parts[1] if len(parts) > 2 else b""  # noqa: PLR2004 - level, number, the rest
    if not number.isdigit() or len(number) > 19:  # noqa: PLR2004 - digits of 64 bits
        scan.garbled = True
        return True
    return int(number) <= scan.cursor or scan.new(int(number), record + b"\n")


def _stamp(record: "bytes") -> "Optional[int]":
    """Microseconds since boot, by the kernel's own clock."""
    told = record.split(b",", 3)[2:3]
    digits = told[0].partition(b";")[0] if told else b""
    return int(digits) if digits.isdigit() and len(digits) <= 19 else None  # noqa: PLR2004 - the same


def _interpret(scan: "_Scan", told: "Read") -> "None":
    from aami_xid.event import NOT_DRIVER
    from aami_xid.reader import Reader

    reader = Reader()
    for seq, record, lost in scan.marked:
        if record is None:
            told.found.append((seq, None, lost))
            continue
        event = reader.event(record)
        told.found.append((seq, event, 0))
        own = (
            event.facility == 0 and event.trust != NOT_DRIVER
        )  # else the kernel speaks of a process by that name
        if own and record.partition(b";")[2].startswith(DRIVERS):
            told.driver_lines = True


def take(book: "Book", path: "str", inventory: "Optional[Dict[str, Any]]") -> "Taken":
    """Queue what is new as events of the journal, with the book open. `book.commit()` makes it last."""
    state = book.state
    began_us = int(book.clock.mono() * MICRO)
    told = read(path, state.cursor)
    now_us = int(book.clock.mono() * MICRO)
    if told.first_us is not None and told.last_us is not None:
        state.skew_us = skew(state.skew_us, state.read_us, told.first_us, told.last_us, now_us)
    _tell_trouble(book, told)
    new = _journal(book, told, inventory) if told.found else []
    if told.last_seq is not None:
        state.journal.see(told.last_seq)
    if told.trouble is None and told.whole:
        state.read_us = began_us
    if told.driver_lines or told.lost:  # what was lost may have been the driver's word
        state.driver_us = now_us
    return Taken(new, told.driver_lines, told.trouble)


def skew(known: "int", read_us: "Optional[int]", first_us: "int", last_us: "int", now_us: "int") -> "int":
    """How far the kernel log's clock is behind ours, in microseconds.

    Over weeks the two drift apart by more than the time between two jobs. What is new was written after the last look
    and before now: of all differences that this allows, the one next to what was known.
    """
    found = known if read_us is None else max(known, read_us - first_us)
    found = min(found, now_us - last_us)
    return found if abs(found) <= OFFSET_US + now_us * DRIFT else known


def _tell_trouble(book: "Book", told: "Read") -> "None":
    """Once when it begins, once when it is over."""
    if told.trouble != book.state.journal.trouble:
        if told.trouble is not None:
            book.event("error", what="kernel-log", words=told.trouble)
        else:
            book.event("restored", what="kernel-log", words="the kernel log can be read again")
    if told.before:
        book.event(
            "error",
            what="kernel-log-began-earlier",
            words="%d records were overwritten before the first look of this boot" % told.before,
            kernel_seq=told.before - 1,
        )


def _journal(book: "Book", told: "Read", inventory: "Optional[Dict[str, Any]]") -> "List[Dict[str, Any]]":
    from aami_slurm.believe import Believer

    believer = Believer(book, inventory)
    new = []
    for seq, event, lost in told.found:
        if event is None:
            words = "%d records of the kernel were overwritten before they were read" % lost
            new.append(
                book.event("error", what="kernel-records-lost", words=words, lost=lost, kernel_seq=seq)
            )
            continue
        journalled = believer.tell(seq, event)
        if journalled is not None:
            new.append(journalled)
    return new
