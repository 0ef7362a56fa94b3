"""One journalled kernel event as the checks read it: every value of the right kind, or the event is unreadable."""

from aami_slurm.checks._reading import Garbled, whole, word
from aami_slurm.finding import SEVERITIES, Finding
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

UNATTRIBUTED = "unattributed"  # the journal's kind for what it did not believe
BY_DEVICE = "bus-id"  # the form names its device, and no process name is long enough to look like it
KEPT = 1000  # characters of the raw line
SHOWN = 120  # of the driver's words


class Report:
    """`name` is `xid79`, `sxid12028`, or the kind of a line that has no code. Raises Garbled.

    `believed`: the kernel printed it in the driver's form, about a GPU or a switch that this boot knows.
    """

    def __init__(self, event: "Dict[str, Any]") -> "None":
        told, trust = word(event, "kind") or "", word(event, "trust")
        self.kind = plain((word(event, "would_be") if told == UNATTRIBUTED else None) or told, 24)
        self.code = whole(event, "code")
        if not self.kind or (self.code is None and self.kind in {"xid", "sxid"}):
            raise Garbled("kind: %s" % plain(repr(event.get("kind")), 40))
        self.name = self.kind if self.code is None else "%s%d" % (self.kind, self.code)
        self.gpu_uuid = word(event, "gpu_uuid")
        self.gpu = whole(event, "gpu")
        self.place = self.gpu_uuid or word(event, "bus_id")
        self.why = word(event, "why") or trust
        self.action = word(event, "action") or "investigate"
        self.family = word(event, "family")
        self.severity = word(event, "severity")
        self.mono_us = whole(event, "mono_us")
        self.seq = whole(event, "seq") or 0
        self.time = word(event, "time")
        self.raw = (word(event, "raw") or "")[:KEPT]
        fields = event.get("fields")
        text = fields.get("text") if isinstance(fields, dict) else None
        self.text = plain(text, SHOWN) if isinstance(text, str) else ""
        # A switch has no GPU: the device that the line names was looked up among the switches.
        known = self.gpu_uuid is not None or self.kind == "sxid"
        self.believed = told != UNATTRIBUTED and trust == BY_DEVICE and known

    def finding(self, outcome: "str", count: "int") -> "Finding":
        words = "Xid %d" % self.code if self.kind == "xid" and self.code is not None else self.name
        words += " (%d times)" % count if count > 1 else ""
        words += ": " + self.text if self.text else ""
        evidence = {
            "source": "kmsg", "raw": self.raw, "time": self.time, "mono_us": self.mono_us, "seq": self.seq,
            "trust": self.why, "count": count,
        }  # fmt: skip
        return Finding(
            outcome,
            words + ("" if self.believed else " (not believed: %s)" % plain(self.why or "no device", 24)),
            code=self.name,
            severity=self.severity if self.severity in SEVERITIES else None,
            gpu_uuid=self.gpu_uuid,
            gpu=self.gpu,
            evidence=evidence,
            action=self.action,
        )
