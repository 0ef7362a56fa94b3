"""From a driver's record to an event of the journal: is it the driver's word about a GPU of this node, and whose job's?

The kernel prints names that users choose, so a line is believed only in a form with the bus id of a device that this
boot knows, written by the kernel. All others become `unattributed`: kept, never a reason for anything.
"""

from aami_slurm import cgroup, fast_json
from aami_slurm.attribution import attribute
from aami_slurm.clock import stamp
from aami_slurm.state import HOUR_US, MICRO, index_of
from aami_xid.event import BUS_ID
from aami_xid.judge import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from aami_slurm.book import Book
    from aami_xid.event import Event
    from aami_xid.weights import Weight

LONGEST_RAW = 1024
LONGEST_TEXT = 200
LONGEST_FIELDS = 1536
LONGEST_NAME = 64
MOST_FORGED = 64  # in an hour: users can make the kernel print such lines as fast as they like
BY_ITSELF = ("text", "nvrm", "nvswitch")  # kinds of lines that say nothing, unless they look like a report
NVIDIA, BRIDGE = "0x10de", "0x0680"


class Believer:
    """Judges the events of one look."""

    def __init__(self, book: "Book", inventory: "Optional[Dict[str, Any]]") -> "None":
        self._book = book
        self._places = book.places
        known = (inventory or {}).get("gpus", [])
        # A card of this boot comes last and wins over one that was taken out of the same slot before.
        known = sorted(known, key=lambda gpu: gpu.get("slurm_index") is not None)
        self._gpus: "Dict[str, Dict[str, Any]]" = {gpu["bus_id"]: gpu for gpu in known if gpu.get("bus_id")}
        self._known = inventory is not None
        now = book.clock.mono()
        self._now_us = int(now * MICRO)
        self._wall_of_boot = book.clock.wall() - now

    def tell(self, seq: "int", event: "Event") -> "Optional[Dict[str, Any]]":
        """Queue it, and give it as it is written; None for lines that are no report."""
        if event.kind in BY_ITSELF:
            return (
                self._unattributed(seq, event, None, _disguise(event))
                if _looks_like_a_report(event)
                else None
            )
        weight = judge(event)
        if weight is None:
            return None
        doubt = self._doubt(event)
        if doubt is not None:
            return self._unattributed(seq, event, weight, doubt)
        return self._believed(seq, event, weight)

    def _doubt(self, event: "Event") -> "Optional[str]":
        """Why this is not to be taken for the driver's word about a device of ours."""
        if event.source != "kmsg" or event.facility != 0:
            return "not-kernel"
        if event.trust != BUS_ID or event.bus_id is None:
            return event.trust
        if event.kind == "sxid":
            return None if self._is_switch(event.bus_id) else "no-such-switch"
        if not self._known:
            return "no-inventory"
        return None if event.bus_id in self._gpus else "not-in-inventory"

    def _is_switch(self, bus_id: "str") -> "bool":
        """Whether the kernel found a bridge of NVIDIA's at this address. What sysfs says of it was read at boot."""
        folder = "%s/bus/pci/devices/%s.0" % (self._places.sys, bus_id)
        return _value(folder + "/vendor") == NVIDIA and _value(folder + "/class").startswith(BRIDGE)

    def _believed(self, seq: "int", event: "Event", weight: "Weight") -> "Dict[str, Any]":
        gpu: "Dict[str, Any]" = self._gpus.get(event.bus_id or "", {}) if event.kind != "sxid" else {}
        fields = self._common(seq, event)
        fields.update(
            gpu_uuid=gpu.get("uuid"),
            gpu=index_of(gpu),
            mig=event.mig,
            pid=event.pid,
            process=event.process and _verbatim(event.process, LONGEST_NAME),
            bystander=event.bystander,
            family=weight.family,
            severity=weight.severity,
            action=weight.action,
            fields=_bounded(event.fields),
        )
        runs, mono_us = self._book.state.runs, fields["mono_us"]
        fields["jobs"] = attribute(
            fields, runs, lambda pid: cgroup.job_key(self._places.proc, pid, runs, mono_us)
        )
        return self._book.event(event.kind, **fields)

    def _unattributed(
        self, seq: "int", event: "Event", weight: "Optional[Weight]", why: "str"
    ) -> "Optional[Dict[str, Any]]":
        fields = self._common(seq, event)
        forged = self._forged(fields["mono_us"]) if weight is None else 0
        if forged >= MOST_FORGED:
            return None
        fields.update(gpu_uuid=None, gpu=None, why=why, jobs=[], would_be=weight and event.kind)
        fields.update(
            family=weight and weight.family,
            severity=weight and weight.severity,
            action=weight.action if weight else "none",
        )
        if forged == MOST_FORGED - 1:
            fields["last"] = "further ones of this hour are not written"
        return self._book.event("unattributed", **fields)

    def _forged(self, mono_us: "int") -> "int":
        """How many lines that only look like reports were written in this hour."""
        hour, count = self._book.state.journal.forged
        return count if mono_us // HOUR_US == hour else 0

    def _common(self, seq: "int", event: "Event") -> "Dict[str, Any]":
        """What is told of every record. Its time is the kernel's, put on our clock; none is of the future."""
        mono_us = min(max(0, (event.mono_us or 0) + self._book.state.skew_us), self._now_us)
        return {
            "time": stamp(self._wall_of_boot + mono_us / MICRO),
            "time_kind": "monotonic",
            "mono_us": mono_us,
            "kernel_seq": seq,
            "kernel_us": event.mono_us,
            "facility": event.facility,
            "code": event.code,
            "bus_id": event.bus_id,
            "trust": event.trust,
            "raw": _verbatim(event.raw, LONGEST_RAW),
        }


def _looks_like_a_report(event: "Event") -> "bool":
    return "xid" in event.raw.lower() and ("NVRM" in event.raw or "nvidia-nvswitch" in event.raw)


def _disguise(event: "Event") -> "str":
    """Why a line with such words in it is no report."""
    if event.kind != "text":
        return "unreadable"
    return "not-driver" if event.trust == "no-bus-id" else event.trust


def _verbatim(text: "str", limit: "int") -> "str":
    """As it came, cut; what is not printable ASCII is escaped, so that a line's length is known."""
    text = text[:limit]
    if not text.isprintable() or len(text.encode("utf-8", "replace")) != len(text):
        text = text.encode("unicode_escape").decode("ascii")[:limit]
    return text


def _value(path: "str") -> "str":
    try:
        with open(path, "rb") as source:
            return source.read(64).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _bounded(fields: "Dict[str, Any]") -> "Dict[str, Any]":
    """What the line told, as it is or, where that is much, only its plain values."""
    if len(fast_json.dumps(fields)) <= LONGEST_FIELDS:
        return fields
    small: "Dict[str, Any]" = {"cut": True}
    for name, value in fields.items():
        if isinstance(value, str):
            small[name] = _verbatim(value, LONGEST_TEXT)
        elif value is None or isinstance(value, (bool, int, float)):
            small[name] = value
    return small
