"""Faults of simulated GPUs and exporters, as a timeline: what happens where, from when until when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from aami_hpc.errors import UsageFault

ALL = "*"
GPU, EXPORTER = "gpu", "exporter"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault: what it happens to, in words, and its parameters with their defaults."""

    on: str
    says: str
    parameters: Mapping[str, float | str] = field(default_factory=dict)


KINDS: Mapping[str, Kind] = MappingProxyType({
    "xid": Kind(GPU, "an Xid; 79 takes the GPU's readings away, 119 and 120 the whole node's", {"code": 79}),
    "gone": Kind(GPU, "the GPU is in no series any more, as after an exporter restart without it"),
    "ecc": Kind(GPU, "memory errors, at once or spread over some seconds", {"sbe": 0, "dbe": 1, "over": 0}),
    "sram": Kind(GPU, "the SRAM error threshold is exceeded"),
    "remap": Kind(GPU, "row remapping", {"correctable": 0, "uncorrectable": 1, "pending": 1, "failure": 0}),
    "throttle": Kind(GPU, "clocks are held down", {"reason": "hw_thermal"}),
    "heat": Kind(GPU, "the temperature climbs to a value within some seconds", {"to": 90, "over": 60}),
    "leak": Kind(GPU, "memory fills up", {"mib_per_second": 50}),
    "nvlink-down": Kind(GPU, "links are down: errors once, less traffic from then on", {"links": 1}),
    "nvlink-errors": Kind(GPU, "link errors keep coming", {"per_second": 10}),
    "pcie-replays": Kind(GPU, "PCIe retries keep coming", {"per_second": 1}),
    "pcie-narrow": Kind(GPU, "the PCIe link lost lanes", {"width": 8}),
    "recovery": Kind(GPU, "the driver asks for a recovery action", {"action": 1}),
    "idle": Kind(GPU, "nothing runs"),
    "busy": Kind(GPU, "constant load", {"level": 0.95}),
    "down": Kind(EXPORTER, "the exporter does not answer: connections are cut"),
    "empty": Kind(EXPORTER, "the exporter answers without a single GPU, as after a driver mismatch"),
    "frozen": Kind(EXPORTER, "DCGM is stuck: the same values every time"),
    "failing": Kind(EXPORTER, "the exporter answers 500"),
    "slow": Kind(EXPORTER, "answers take their time", {"seconds": 15}),
    "restart": Kind(EXPORTER, "the exporter restarted: windows and the last Xid are forgotten"),
    "reboot": Kind(EXPORTER, "the node restarts: away for some seconds, then counters since boot begin at 0", {"off": 60}),
})  # fmt: skip

REASONS = {
    "gpu_idle": 0x1, "clocks_setting": 0x2, "power_cap": 0x4, "hw_slowdown": 0x8, "sync_boost": 0x10,
    "sw_thermal": 0x20, "hw_thermal": 0x40, "hw_power_brake": 0x80, "display_clocks": 0x100,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `node` and `gpu` may be `*`; times are seconds since the simulator's start."""

    kind: str
    node: str = ALL
    gpu: int | str = ALL
    at: float = 0.0
    until: float = math.inf
    parameters: Mapping[str, float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)

    def number(self, name: str) -> float:
        """A parameter, given or default."""
        return float(self.parameters.get(name, KINDS[self.kind].parameters[name]))

    def word(self, name: str) -> str:
        return str(self.parameters.get(name, KINDS[self.kind].parameters[name]))

    def meets(self, node: str, gpu: int | None) -> bool:
        """Whether it happens to this GPU (None: to this node's exporter)."""
        if self.node not in (ALL, node):
            return False
        return KINDS[self.kind].on == (EXPORTER if gpu is None else GPU) and (
            gpu is None or self.gpu in (ALL, gpu)
        )

    def active(self, now: float) -> bool:
        return self.at <= now < self.until

    def lasted(self, now: float, since: float = 0.0) -> float:
        """Seconds of it that lie between `since` and `now`."""
        return max(0.0, min(now, self.until) - max(self.at, since))


def _check(fault: Fault) -> None:
    kind = KINDS.get(fault.kind)
    if kind is None:
        raise UsageFault(f"There is no fault '{fault.kind}'", hint=f"Known: {', '.join(sorted(KINDS))}")
    unknown = sorted(set(fault.parameters) - set(kind.parameters))
    if unknown:
        known = ", ".join(sorted(kind.parameters)) or "none"
        raise UsageFault(
            f"The fault '{fault.kind}' has no parameter '{unknown[0]}'", hint=f"Its parameters: {known}"
        )
    if fault.until <= fault.at:
        raise UsageFault(f"The fault '{fault.kind}' ends at {fault.until:g} before it begins at {fault.at:g}")
    for name, default in kind.parameters.items():
        value = fault.parameters.get(name, default)
        if isinstance(default, str) != isinstance(value, str):
            raise UsageFault(f"The parameter '{name}' of the fault '{fault.kind}' can't be {value!r}")
    if fault.kind == "throttle" and fault.word("reason") not in REASONS:
        raise UsageFault(
            f"'{fault.word('reason')}' is no reason to throttle", hint=f"Known: {', '.join(REASONS)}"
        )


def read_timeline(entries: Sequence[Mapping[str, Any]]) -> tuple[Fault, ...]:
    """A timeline from data: `- {at: 60, until: 90, node: gpu-017, gpu: 3, fault: xid, code: 79}`."""
    return tuple(_entry(entry) for entry in entries)


def _entry(entry: Mapping[str, Any]) -> Fault:
    if not isinstance(entry, Mapping) or "fault" not in entry:
        raise UsageFault("An entry of the timeline names no fault", cause=f"It is {entry!r}")
    rest = {key: value for key, value in entry.items() if key not in {"fault", "node", "gpu", "at", "until"}}
    try:
        at, until = float(entry.get("at", 0)), float(entry.get("until", math.inf))
    except (TypeError, ValueError) as error:
        raise UsageFault(
            "`at` and `until` are seconds since the start", cause=f"The entry is {entry!r}"
        ) from error
    return Fault(str(entry["fault"]), str(entry.get("node", ALL)), entry.get("gpu", ALL), at, until, rest)
