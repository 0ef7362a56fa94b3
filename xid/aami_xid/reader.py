"""From a log to events: finds its format, skips what can't matter, joins what the driver printed over several lines."""

from aami_xid import lines, weights
from aami_xid.clock import Clock
from aami_xid.companions import match as match_companion
from aami_xid.decode import decode
from aami_xid.event import NOT_DRIVER, Event
from aami_xid.grammar import interpret
from aami_xid.kernel_record import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Optional, Union

    from aami_xid.clock import Zone
    from aami_xid.kernel_record import Record

IDLE = {"text", "nvrm", "nvswitch"}  # no fault, no identity
LONG_SENTENCES = ("The NVIDIA GPU",)
MOST_LINES = 8
EXPORT = b"__CURSOR="  # how journalctl -o export begins


class Reader:
    """Turns records into events, with what earlier lines told: the year, the driver's version, half a sentence."""

    def __init__(
        self,
        year: "Optional[int]" = None,
        date: "Optional[float]" = None,
        zone: "Zone" = None,
        host: "Optional[str]" = None,
        driver: "Optional[str]" = None,
    ) -> "None":
        self.clock = Clock(year, date, zone)
        self.host = host
        self.driver = driver
        self.count = 0
        self._open: "Optional[Event]" = None
        self._open_lines = 0
        self._stamped = False

    def event(self, line: "Union[bytes, str]") -> "Event":
        return self.of_record(split(line))

    def of_record(self, record: "Record") -> "Event":
        event = interpret(record)
        if record.indented and self._stamped and event.kind not in IDLE:
            event = Event("text", record.raw)  # the rest of another record, or a name with a line end in it
            event.trust = NOT_DRIVER
        self.clock.set_time(event, record.seen)
        self._stamped = self._stamped or event.moment is not None
        if event.host is None:
            event.host = self.host
        event.index = self.count
        self.count += 1
        if event.kind == "driver-version":
            self.driver = event.fields["version"]
        event.fields.update(decode(event, self.driver))
        if event.channel is None:
            event.channel = event.fields.get("channel")  # of texts that name it further on
        event.bystander = _bystander(event)
        return self._joined(event)

    def _joined(self, event: "Event") -> "Event":
        """A sentence over several lines becomes one event, at its last line."""
        text = str(event.fields.get("text", "")) if event.kind == "nvrm" else ""
        if text.startswith(LONG_SENTENCES):
            self._open, self._open_lines = event, 1
        elif self._open is not None and event.kind == "nvrm" and self._open_lines < MOST_LINES:
            return self._continued(self._open, event, text)
        elif event.kind != "text":
            self._open = None
        return event

    def _continued(self, first: "Event", event: "Event", text: "str") -> "Event":
        self._open_lines += 1
        first.fields["text"] = "%s %s" % (first.fields["text"], text)
        first.raw = "%s\\n%s" % (first.raw, event.raw)
        whole = match_companion("NVRM: " + str(first.fields["text"]), first.raw)
        if whole is None or whole.kind == "nvrm":
            return event
        self._open = None
        for name in (
            "time",
            "time_kind",
            "assumed",
            "mono_us",
            "seq",
            "facility",
            "host",
            "source",
            "moment",
        ):
            setattr(whole, name, getattr(first, name))
        whole.index = event.index
        return whole


def _bystander(event: "Event") -> "bool":
    """A process named without a channel is whoever made the call that found the error, not who caused it."""
    if event.kind != "xid" or event.code is None or (event.process is None and event.pid is None):
        return False
    return event.channel is None and weights.of_code(event.code).process != weights.OWNER


def read(source: "Any", reader: "Reader", everything: "bool" = False) -> "Iterator[Event]":  # noqa: FBT001, FBT002 - a keyword in the public call
    """The events of a binary file, or of an iterable of lines. `everything` also gives the lines that say nothing."""
    index = 0
    for event in _events(source, reader, everything):
        if everything or event.kind not in IDLE:
            event.index = index
            index += 1
            yield event


def _first(read: "Callable[[int], bytes]") -> "bytes":
    """Enough of a stream to tell its format, however slowly it comes."""
    first = b""
    while len(first) < len(EXPORT):
        more = read(lines.BLOCK)
        if not more:
            break
        first += more
    return first


def _events(source: "Any", reader: "Reader", everything: "bool") -> "Iterator[Event]":  # noqa: FBT001 - the same
    if not hasattr(source, "read"):
        for line in source:
            if everything or lines.matter(line):
                yield reader.event(line)
        return
    first = _first(getattr(source, "read1", source.read))
    if first.startswith(EXPORT):
        from aami_xid import journal

        for record in journal.entries(journal.Rewound(first, source)):
            yield reader.of_record(record)
        return
    marks = () if everything else lines.JSON_MARKS if first[:1] in {b"{", b"\x1e"} else lines.MARKS
    for line in lines.of_file(source, first, marks):
        yield reader.event(line)
