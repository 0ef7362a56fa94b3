"""What one line said: the event, with everything the line told and how far its form can be trusted."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

# How far a form can be trusted to be the driver's word about one GPU.
BUS_ID = "bus-id"  # carries the device's bus id: too long to be a process name
NO_BUS_ID = "no-bus-id"  # a driver's form that names no device
NOT_KERNEL = "not-kernel"  # another program wrote it
NOT_DRIVER = "not-driver"  # the kernel wrote it, about a process or device with a misleading name

# Where a time comes from.
WALL = "wall"  # the line carries the full date (`assumed` tells whether its zone had to be assumed)
ASSUMED = "assumed"  # the line has no year; it was given, or taken from the file's date
MONOTONIC = "monotonic"  # seconds since boot only

KEYS = (
    "kind", "code", "bus_id", "mig", "pid", "process", "bystander", "channel", "caused_by", "time", "time_kind",
    "assumed", "mono_us", "seq", "facility", "host", "source", "fields", "trust", "raw",
)  # fmt: skip


class Event:
    r"""One line of a kernel log. The attributes are the keys of `to_dict()`, and two more.

    `kind` is xid, sxid, one of the companions' kinds, `nvrm` or `nvswitch` for a driver's line of no interest, or `text`.
    `code` is set for xid and sxid. `bus_id` is dddd:bb:dd, of the GPU or, for sxid, of the switch; `mig` is
    {"gi", "ci"} or None. `process` is what the driver named; `bystander` says that it may only have made the call that
    found the error. `time` is RFC 3339 in UTC or None, `assumed` what was not in the line ("year", "zone").
    `mono_us` and `seq` are the kernel's. `source` is kmsg, journal, syslog or text. `raw` is the line, in one line:
    line ends in it are written `\n`, bytes that are no UTF-8 `\xff`.

    `fields` always has `text`, the driver's own words, for xid and sxid. Decoders add to it, and beside what they
    find: `undecoded` with the reason why something was not, `judged` with the names of fields that are our inference,
    `reading` in plain words, `action` where this line asks for another one than its code does, `note`, and `text_of`
    with the code that the text belongs to if the number says another.

    `moment` orders events inside one log: a (clock, seconds) pair, or None where the line told no time at all.
    `index` is the event's place among those read with it.
    """

    __slots__ = (*KEYS, "index", "moment")

    def __init__(self, kind: "str", raw: "str") -> "None":
        self.kind = kind
        self.raw = raw
        self.code: "Optional[int]" = None
        self.bus_id: "Optional[str]" = None
        self.mig: "Optional[Dict[str, Optional[int]]]" = None
        self.pid: "Optional[int]" = None
        self.process: "Optional[str]" = None
        self.bystander = False
        self.channel: "Optional[str]" = None
        self.caused_by: "Optional[int]" = None
        self.time: "Optional[str]" = None
        self.time_kind: "Optional[str]" = None
        self.assumed: "List[str]" = []
        self.mono_us: "Optional[int]" = None
        self.seq: "Optional[int]" = None
        self.facility: "Optional[int]" = None
        self.host: "Optional[str]" = None
        self.source = "text"
        self.fields: "Dict[str, Any]" = {}
        self.trust = NO_BUS_ID
        self.moment: "Optional[Tuple[str, float]]" = None
        self.index = 0

    @property
    def token(self) -> "str":
        """`xid:79`, `sxid:20034`, or the kind: the name that rules use."""
        return self.kind if self.code is None else "%s:%d" % (self.kind, self.code)

    def to_dict(self) -> "Dict[str, Any]":
        return {key: getattr(self, key) for key in KEYS}

    def __repr__(self) -> "str":
        return "<Event %s %s %s>" % (self.token, self.bus_id or "-", self.time or self.mono_us)
