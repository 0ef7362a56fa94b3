"""The values of one simulated GPU at one time: a function of seed, time and faults, with nothing remembered.

Load swings slowly around one half; counters are the integrals of what they count, so they never go backwards.
Times are seconds since the simulator's start; a counter that lives since boot starts again at the last reboot.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from aami_hpc.testing.dcgm_faults import REASONS, Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aami_hpc.testing.dcgm_cards import Card, Identity

Value = int | float | None
LOST_AFTER = frozenset({79})  # the driver can't read this GPU any more
BLANK_AFTER = frozenset({119, 120})  # DCGM stops asking the driver about any GPU of the node
_SWING = 0.42
_PCIE_BYTES = 2_000_000_000
_LINK_SHARE = 0.3  # of what the links could carry
_THROTTLED = 0.35  # of the highest clock


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU to be asked: who it is, what it is, and everything that happens to it."""

    identity: Identity
    card: Card
    faults: tuple[Fault, ...]
    boot: float = 0.0

    def started(self, kind: str, now: float) -> list[Fault]:
        """Its faults of a kind that have begun, ended or not."""
        return [fault for fault in self.faults if fault.kind == kind and fault.at <= now]

    def active(self, kind: str, now: float) -> list[Fault]:
        return [fault for fault in self.faults if fault.kind == kind and fault.active(now)]


def _phase(gpu: Gpu) -> tuple[float, float]:
    digest = hashlib.sha256(gpu.identity.uuid.encode()).digest()
    return 900 + 1800 * digest[0] / 255, 2 * math.pi * digest[1] / 255


def _free_integral(gpu: Gpu, start: float, end: float) -> float:
    period, phase = _phase(gpu)
    turn = 2 * math.pi / period
    swing = (math.cos(turn * start + phase) - math.cos(turn * end + phase)) / turn
    return 0.5 * (end - start) + _SWING * swing


def load(gpu: Gpu, now: float) -> float:
    """Between 0 and 1."""
    forced = gpu.active("idle", now) + gpu.active("busy", now)
    if forced:
        last = max(forced, key=lambda fault: fault.at)
        return 0.0 if last.kind == "idle" else last.number("level")
    period, phase = _phase(gpu)
    return 0.5 + _SWING * math.sin(2 * math.pi * now / period + phase)


def work(gpu: Gpu, now: float) -> float:
    """The integral of the load since boot."""
    return sum(_done(gpu, start, end) for start, end in _pieces(gpu, now, "idle", "busy"))


def traffic(gpu: Gpu, now: float) -> float:
    """Bytes over NVLink since boot, both ways: the work's share of what the links that are up can carry."""
    card, total = gpu.card, 0.0
    for start, end in _pieces(gpu, now, "idle", "busy", "nvlink-down"):
        down = sum(int(fault.number("links")) for fault in gpu.active("nvlink-down", start))
        total += _done(gpu, start, end) * max(card.links - down, 0)
    return total * card.link_bytes * 2 * _LINK_SHARE


def _pieces(gpu: Gpu, now: float, *kinds: str) -> list[tuple[float, float]]:
    """The time since boot, cut wherever a fault of these kinds begins or ends."""
    edges = {gpu.boot, now}
    for fault in gpu.faults:
        if fault.kind in kinds:
            edges |= {edge for edge in (fault.at, fault.until) if gpu.boot < edge < now}
    times = sorted(edges)
    return list(pairwise(times))


def _done(gpu: Gpu, start: float, end: float) -> float:
    forced = gpu.active("idle", start) or gpu.active("busy", start)
    return load(gpu, start) * (end - start) if forced else _free_integral(gpu, start, end)


def readings(gpu: Gpu, now: float) -> dict[str, Value]:
    """Field name without its DCGM_FI_ prefix -> value; None where the card has none. All but the last Xid."""
    return {
        **_clocks(gpu, now),
        **_heat_and_power(gpu, now),
        **_use(gpu, now),
        **_memory_errors(gpu, now),
        **_links(gpu, now),
        "DEV_VGPU_LICENSE_STATUS": 0,
        "DEV_GET_GPU_RECOVERY_ACTION": _highest(gpu.active("recovery", now), "action"),
    }


def _highest(faults: Sequence[Fault], name: str) -> int:
    return max((int(fault.number(name)) for fault in faults), default=0)


def _count(value: float) -> int:
    """A counter's whole part; sums of floats that should be whole must not fall one short."""
    return math.floor(value + 1e-6)


def reasons(gpu: Gpu, now: float) -> int:
    """The bits of what holds the clocks down."""
    bits = 0 if load(gpu, now) > 0 else REASONS["gpu_idle"]
    for fault in gpu.active("throttle", now):
        bits |= REASONS[fault.word("reason")]
        if fault.word("reason") in {"hw_thermal", "hw_power_brake"}:
            bits |= REASONS["hw_slowdown"]
    return bits


def _clocks(gpu: Gpu, now: float) -> dict[str, Value]:
    card, bits = gpu.card, reasons(gpu, now)
    clock = card.clock[load(gpu, now) > 0]
    if bits & ~REASONS["gpu_idle"]:
        clock = min(clock, round(card.clock[1] * _THROTTLED))
    held = {"power": 0.0, "thermal": 0.0}
    for fault in gpu.started("throttle", now):
        kind = "thermal" if "thermal" in fault.word("reason") else "power"
        held[kind] += fault.lasted(now, gpu.boot)
    return {
        "DEV_SM_CLOCK": clock,
        "DEV_MEM_CLOCK": card.memory_clock,
        "DEV_CLOCKS_EVENT_REASONS": bits,
        "DEV_MAX_SM_CLOCK": card.clock[1],
        "DEV_MAX_MEM_CLOCK": card.memory_clock,
        "DEV_PSTATE": 0,
        "DEV_POWER_VIOLATION": _count(held["power"] * 1e9),
        "DEV_THERMAL_VIOLATION": _count(held["thermal"] * 1e9),
        "DEV_SYNC_BOOST_VIOLATION": 0,
        "DEV_BOARD_LIMIT_VIOLATION": 0,
        "DEV_LOW_UTIL_VIOLATION": 0,
        "DEV_RELIABILITY_VIOLATION": 0,
    }


def _heat_and_power(gpu: Gpu, now: float) -> dict[str, Value]:
    card, level = gpu.card, load(gpu, now)
    warm = card.temperature[0] + (card.temperature[1] - card.temperature[0]) * level
    for fault in gpu.active("heat", now):
        share = min(1.0, (now - fault.at) / max(fault.number("over"), 1e-9))
        warm += (fault.number("to") - warm) * share
    span = card.power[1] - card.power[0]
    return {
        "DEV_GPU_TEMP": round(warm),
        "DEV_MEMORY_TEMP": round(warm) + 6 if card.memory_sensor else None,
        "DEV_GPU_MAX_OP_TEMP": card.limits[0],
        "DEV_MEM_MAX_OP_TEMP": 95 if card.memory_sensor else None,
        "DEV_SLOWDOWN_TEMP": card.limits[1],
        "DEV_SHUTDOWN_TEMP": card.limits[2],
        "DEV_POWER_USAGE": card.power[0] + span * level,
        "DEV_POWER_MGMT_LIMIT": float(card.power[1]),
        "DEV_ENFORCED_POWER_LIMIT": float(card.power[1]),
        "DEV_TOTAL_ENERGY_CONSUMPTION": _count(
            1000 * (card.power[0] * (now - gpu.boot) + span * work(gpu, now))
        ),
    }


def _use(gpu: Gpu, now: float) -> dict[str, Value]:
    card, level = gpu.card, load(gpu, now)
    room = card.memory[0] - card.memory[1]
    used = room * 0.6 if level > 0 else 0.0
    used += sum(fault.number("mib_per_second") * (now - fault.at) for fault in gpu.active("leak", now))
    whole = min(room, round(used))
    return {
        "DEV_FB_TOTAL": card.memory[0],
        "DEV_FB_FREE": room - whole,
        "DEV_FB_USED": whole,
        "DEV_FB_RESERVED": card.memory[1],
        "DEV_GPU_UTIL": round(100 * level),
        "DEV_MEM_COPY_UTIL": round(45 * level),
        "DEV_ENC_UTIL": 0,
        "DEV_DEC_UTIL": 0,
        "PROF_GR_ENGINE_ACTIVE": level,
        "PROF_SM_ACTIVE": 0.9 * level,
        "PROF_SM_OCCUPANCY": 0.4 * level,
        "PROF_PIPE_TENSOR_ACTIVE": 0.5 * level,
        "PROF_DRAM_ACTIVE": 0.45 * level,
    }


def _memory_errors(gpu: Gpu, now: float) -> dict[str, Value]:
    def errors(name: str, since: float) -> int:
        return sum(_spread(fault, name, now, since) for fault in gpu.started("ecc", now))

    remaps = gpu.started("remap", now)
    fresh = [fault for fault in gpu.active("remap", now) if fault.at >= gpu.boot]
    rows = gpu.card.remaps_rows
    return {
        "DEV_ECC_SBE_VOL_TOTAL": errors("sbe", gpu.boot),
        "DEV_ECC_DBE_VOL_TOTAL": errors("dbe", gpu.boot),
        "DEV_ECC_SBE_AGG_TOTAL": errors("sbe", 0.0),
        "DEV_ECC_DBE_AGG_TOTAL": errors("dbe", 0.0),
        "DEV_THRESHOLD_SRM": int(bool(gpu.started("sram", now))) if rows else None,
        "DEV_UNCORRECTABLE_REMAPPED_ROWS": sum(int(fault.number("uncorrectable")) for fault in remaps)
        if rows
        else None,
        "DEV_CORRECTABLE_REMAPPED_ROWS": sum(int(fault.number("correctable")) for fault in remaps)
        if rows
        else None,
        "DEV_ROW_REMAP_FAILURE": _highest(remaps, "failure") if rows else None,
        "DEV_ROW_REMAP_PENDING": _highest(fresh, "pending") if rows else None,
    }


def _spread(fault: Fault, name: str, now: float, since: float) -> int:
    """How many of a burst's errors came between `since` and `now`."""
    total, over = fault.number(name), fault.number("over")

    def until(time: float) -> int:
        if time < fault.at:
            return 0
        return _count(total * (1.0 if over <= 0 else min(1.0, (time - fault.at) / over)))

    return until(now) - (until(since) if since > 0 else 0)


def _links(gpu: Gpu, now: float) -> dict[str, Value]:
    card = gpu.card
    down = gpu.started("nvlink-down", now)
    errors = sum(
        fault.number("per_second") * fault.lasted(now, gpu.boot)
        for fault in gpu.started("nvlink-errors", now)
    )
    lost = sum(100 * fault.number("links") for fault in down if fault.at >= gpu.boot)
    counted = card.links > 0 and card.link_counters
    replays = sum(
        fault.number("per_second") * fault.lasted(now, gpu.boot) for fault in gpu.started("pcie-replays", now)
    )
    narrow = min((int(fault.number("width")) for fault in gpu.active("pcie-narrow", now)), default=16)
    level = load(gpu, now)
    return {
        "DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": _count(errors + lost) if counted else None,
        "DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": _count(errors) if counted else None,
        "DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": _count(errors / 2 + lost) if counted else None,
        "DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": _count(lost / 100) if counted else None,
        "DEV_NVLINK_BANDWIDTH_TOTAL": _count(traffic(gpu, now)) if card.links else None,
        "DEV_PCIE_REPLAY_COUNTER": _count(replays),
        "DEV_PCIE_MAX_LINK_GEN": card.pcie_generation,
        "DEV_PCIE_MAX_LINK_WIDTH": 16,
        "DEV_PCIE_LINK_GEN": card.pcie_generation,
        "DEV_PCIE_LINK_WIDTH": narrow,
        "PROF_PCIE_TX_BYTES": round(_PCIE_BYTES * level),
        "PROF_PCIE_RX_BYTES": round(_PCIE_BYTES * level * 0.7),
    }
