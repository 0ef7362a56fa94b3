"""The driver's other lines: no code, but they name a GPU, tell its identity, or say what an Xid was about."""

import re

from aami_xid.device import address
from aami_xid.event import BUS_ID, NO_BUS_ID, Event
from aami_xid.kernel_record import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Match, Optional

ON_GPU = r"NVRM:\s*(?:GPU at |GPU[ -]?)?(?:PCI:)?(?P<where>[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-9a-f])?):?\s+"
MAYBE_GPU = r"NVRM:\s*(?:%s)?(?:GPU(?P<gpu_index>[0-9]{1,3})\s+)?" % ON_GPU[len(r"NVRM:\s*") :]
MAYBE_GPU_COLON = r"NVRM:\s*(?:GPU(?P<gpu_index>[0-9]{1,3}):\s+)?"
FUNCTION = r"(?:[A-Za-z_][A-Za-z0-9_]{2,60}:\s*)?"

# (kind, pattern). The first that matches wins; named groups become fields, `where` becomes the bus id.
FORMS = [
    ("gpu-at", r"NVRM:\s*GPU at (?:PCI:)?(?P<where>[0-9a-f:.]{5,24}): (?P<uuid>GPU-[0-9a-f][0-9a-f-]{1,40})"),
    ("board-serial", r"NVRM:\s*GPU Board Serial Number:\s*(?P<serial>[0-9A-Za-z._-]{1,40})\s*$"),
    ("board-serial", ON_GPU + r"GPU serial number is (?P<serial>[0-9A-Za-z_-]{1,40})\.?\s*$"),
    ("fallen-off", ON_GPU + r"(?:GPU )?has fallen off the bus"),
    ("fallen-off", (
     r"NVRM:\s*The NVIDIA GPU (?P<where>[0-9a-f:.]{7,24})\s+(?:NVRM:\s*)?(?:\(PCI ID: (?P<pci_id>[0-9a-f:]+)\)\s*)?"
     r"(?:NVRM:\s*)?installed in this system has\s+(?:NVRM:\s*)?fallen off the bus")),
    ("not-supported", (
     r"NVRM:\s*The NVIDIA GPU (?P<where>[0-9a-f:.]{7,24})\s+(?:NVRM:\s*)?(?:\(PCI ID: (?P<pci_id>[0-9a-f:]+)\)\s*)?"
     r"(?:NVRM:\s*)?(?:installed\s+)?(?:NVRM:\s*)?(?:in this system\s+)?(?:NVRM:\s*)?"
     r"(?P<reason>(?:is not supported|requires use|needs) .*)")),
    ("probe-failed", r"NVRM:\s*The NVIDIA probe routine failed for (?P<devices>[0-9]{1,4}) device"),
    ("probe-failed", r"NVRM:\s*None of the NVIDIA (?:devices|graphics adapters) were initialized"),
    ("probe-failed", r"nvidia: probe of (?P<where>[0-9a-f:.]{7,24}) failed with error (?P<error>-?[0-9]{1,5})"),
    ("probe-failed", r"nvidia (?P<where>[0-9a-f:.]{7,24}): probe with driver nvidia failed with error (?P<error>-?[0-9]{1,5})"),
    ("rm-init-failed", MAYBE_GPU + r"RmInitAdapter failed! ?\((?P<status>0x[0-9a-f]+:0x[0-9a-f]+:[0-9]+)\)"),
    ("rm-init-failed", MAYBE_GPU + r"(?:RmInitAdapter failed|rm_init_adapter(?:\([0-9]{1,3}\))? failed)"),
    ("rm-init-failed", MAYBE_GPU + r"RmInitAdapter: (?P<reason>Cannot initialize .{1,80}|osInitNvMapping failed)"),
    ("rate-limit", (
     r"NVRM:\s*Rate limiting (?P<what>.{1,60}?) (?:error )?prints for GPU at (?:PCI:)?(?P<where>[0-9a-f:.]{7,24})"
     r" \(printing 1 of every (?P<one_of>[0-9]{1,6})\)")),
    ("watchdog", MAYBE_GPU + r"(?:krcWatchdog\w*: ?)?RC watchdog: (?P<reason>.{1,120})"),
    ("gsp-heartbeat", MAYBE_GPU_COLON + r"GSP ERROR: (?P<source>GSP-RM|LibOS) Heartbeat Timeout detected"),
    ("gsp-heartbeat", MAYBE_GPU + FUNCTION + r"(?:GSP[ -]RM h|LibOS h|H)eartbeat timed out"),
    ("gsp-pmu-halted", MAYBE_GPU + r"_kgspRpcGspEventPmuHalted\b"),
    ("gsp-unresponsive", MAYBE_GPU + FUNCTION + r"(?P<reason>GSP core (?:is )?unresponsive|GSP-RM (?:is )?unresponsive|GSP-RM is slow)"),
    ("gsp-rpc-failed",
     MAYBE_GPU + r"_issueRpc\w*: rpcSendMessage failed with status (?P<status>0x[0-9a-f]+) for fn (?P<function>[0-9]{1,4})"),
    ("gsp-rpc-failed", MAYBE_GPU + r"(?:rpcSendMessage|GspRmFree|rpcRmApi\w*) ?failed"),
    ("memory-subsystem", MAYBE_GPU + r"(?:kgmmuCheckMemSubsysError\w*: ?)?Memory Subsystem Error detected"),
    ("uvm-fatal",
     MAYBE_GPU + r"(?:nvGpuOpsReportFatalError: ?)?uvm encountered global fatal error (?P<status>0x[0-9a-f]+)"),
    ("channels-removed", MAYBE_GPU + r"k(?:rc|gsp)RcAndNotifyAllChannels\w*: RC all channels for critical error (?P<for_code>[0-9]{1,9})"),
    ("crash-dump", MAYBE_GPU + r"A GPU crash dump has been created"),
    ("driver-version",
     r"NVRM:\s*loading NVIDIA UNIX .{0,60}Kernel Module(?: for \S{1,20})?\s+(?P<version>[0-9]{2,4}\.[0-9]{1,4}(?:\.[0-9]{1,4})?)"),
    ("aer", (
     r"(?:pcieport|nvidia) (?P<reporter>[0-9a-f:.]{7,24}): (?:AER: )?(?P<reason>(?:Multiple )?(?:Corrected|Uncorrected|Uncorrectable|Correctable)"
     r".{0,60}?error(?: message)? received(?: from)?:? ?(?P<from>[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])?.{0,80})")),
    ("aer", r"(?:pcieport|nvidia) (?P<reporter>[0-9a-f:.]{7,24}): (?:AER: )?(?P<reason>PCIe Bus Error: severity=.{1,120})"),
    ("aer", r"(?:pcieport|nvidia) (?P<reporter>[0-9a-f:.]{7,24}): AER: (?P<reason>.{1,160})"),
    ("pcie-slot", (
     r"nvidia (?P<where>[0-9a-f:.]{7,24}): (?P<reason>(?:Unable to|can't) change power state from \S{1,10} to \S{1,10}"
     r",? \(?(?:device|config space) inaccessible)")),
    ("pcie-slot", r"(?:pcieport (?P<reporter>[0-9a-f:.]{7,24}): )?pciehp\b.{0,40}?: (?P<reason>Slot\([^)]{1,20}\): (?:Link Down|Card not present).{0,60})"),
    ("nvrm", r"NVRM:\s*(?P<text>.*)"),
    ("nvswitch", r"nvidia-nvswitch(?P<switch>[0-9]{1,4}):\s*(?P<text>.*)"),
]  # fmt: skip
NUMBERS = ("gpu_index", "devices", "error", "one_of", "function", "for_code", "switch")


def match(message: "str", raw: "str") -> "Optional[Event]":
    """The event of one such line, or None if the message is no driver's."""
    message = message.replace("#012", " ")  # rsyslog's way to write a line end
    for kind, form in FORMS:
        found = pattern(form, re.IGNORECASE).match(message)
        if found:
            return _event(kind, found, raw)
    return None


def _event(kind: "str", found: "Match[str]", raw: "str") -> "Event":
    event = Event(kind, raw)
    named = found.groupdict()
    where = named.pop("where", None)
    if where:
        event.bus_id, _ = address(where)
    if kind == "aer" and found.group(0).lower().startswith("nvidia"):
        event.bus_id, _ = address(named["reporter"] or "")
    event.trust = BUS_ID if event.bus_id else NO_BUS_ID
    event.fields = {name: _value(name, value) for name, value in named.items() if value is not None}
    return event


def _value(name: "str", value: "str") -> "object":
    return int(value) if name in NUMBERS else value
