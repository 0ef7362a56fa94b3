"""Cards as data: the GPUs of common nodes, with the readings each card has and those it lacks.

What a card is and who it is comes from the simulator of dcgm-exporter, so that a node's fakes agree:
`h100(node="gpu-001")` has the UUIDs that `Simulator(["gpu-001"])` serves.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from typing import Any

from aami_hpc.testing.dcgm_cards import CARDS, Card, identity
from tests.lab.nvml.state import Gpu, GpuState, MigDevice, NvLink

MIB = 1024 * 1024
_MIG = {"mig_current": 0, "mig_pending": 0, "mig_max": 7}
_FABRIC = {
    "fabric_state": 3, "fabric_status": 0, "fabric_clique": 0, "fabric_health_mask": 0, "fabric_health_summary": 0,
}  # fmt: skip
_LINK_ERRORS = {"nvlink_error_counters": 1}  # up to Hopper
_PORT_ERRORS = {"nvlink_port_counters": 1}  # since Blackwell
_TLIMITS = {
    "margin_supported": 1,
    "gpu_max_tlimit": 0,
}  # since Ada, as distances from the highest temperature
_NO_SRAM = {"ecc_volatile_corrected_sram": None, "ecc_sram_threshold_exceeded": None}


def _chip(
    architecture: int, capability: tuple[int, int], device: int, system: int, part: str
) -> dict[str, Any]:
    return {
        "architecture": architecture, "compute_major": capability[0], "compute_minor": capability[1],
        "pci_device_id": device, "pci_subsystem_id": system, "board_part": part,
        "inforom": f"{part[5:9]}.0200.00.05",
    }  # fmt: skip


def _rows(banks: int) -> dict[str, Any]:
    return {
        "remap_corrected": 0, "remap_uncorrected": 0, "remap_pending": 0, "remap_failure": 0,
        "remap_banks_max": banks, "remap_banks_high": 0, "remap_banks_partial": 0, "remap_banks_low": 0,
        "remap_banks_none": 0,
    }  # fmt: skip


# Lowest power limit and highest video clock, then what else the card has.
_OWN: dict[str, tuple[int, int, dict[str, Any]]] = {
    "V100": (150, 1372, {
        **_chip(5, (7, 0), 0x1DB510DE, 0x124910DE, "900-2G503-0010-000"), **_LINK_ERRORS, **_NO_SRAM,
        "nvlink_version": 2, "retired_supported": True, "retired_pending": 0,
    }),
    "A100": (100, 1290, {
        **_chip(7, (8, 0), 0x20B210DE, 0x147F10DE, "692-2G506-0212-002"), **_rows(640), **_LINK_ERRORS, **_MIG,
        "nvlink_version": 3, "recovery_action": 0,
    }),
    "H100": (200, 1545, {
        **_chip(9, (9, 0), 0x233010DE, 0x16C110DE, "692-2G520-0200-000"), **_rows(2560), **_LINK_ERRORS, **_MIG,
        **_FABRIC, **_TLIMITS, "nvlink_version": 4, "recovery_action": 0,
    }),
    "H200": (200, 1545, {
        **_chip(9, (9, 0), 0x233510DE, 0x18BE10DE, "695-2G520-0280-001"), **_rows(3072), **_LINK_ERRORS, **_MIG,
        **_FABRIC, **_TLIMITS, "nvlink_version": 4, "recovery_action": 0,
    }),
    "B200": (200, 1575, {
        **_chip(10, (10, 0), 0x290110DE, 0x199910DE, "692-2G525-0220-001"), **_rows(4096), **_PORT_ERRORS, **_MIG,
        **_FABRIC, **_TLIMITS, "nvlink_version": 5, "recovery_action": 0,
    }),
    "L40S": (100, 1965, {
        **_chip(8, (8, 9), 0x26B910DE, 0x185110DE, "900-2G133-0080-000"), **_rows(192), **_TLIMITS,
        "recovery_action": 0,
    }),
}  # fmt: skip


def _readings(card: Card, lowest_power: int, video: int) -> dict[str, Any]:
    most, slowdown, shutdown = card.limits
    idle, limit = (watts * 1000 for watts in card.power)
    return {
        "name": card.model, "vbios": card.vbios,
        "memory_total": card.memory[0] * MIB, "memory_reserved": card.memory[1] * MIB,
        "temperature": card.temperature[0], "gpu_max_temperature": most, "slowdown_temperature": slowdown,
        "shutdown_temperature": shutdown,
        "memory_temperature": card.temperature[0] + 4 if card.memory_sensor else None,
        "memory_max_temperature": 95 if card.memory_sensor else None,
        "power_usage": idle, "power_limit": limit, "power_enforced_limit": limit, "power_default_limit": limit,
        "power_min_limit": lowest_power * 1000, "power_max_limit": limit, "energy": 1_234_567_890,
        "clock_graphics": card.clock[0], "clock_sm": card.clock[0], "clock_memory": card.memory_clock,
        "clock_video": video // 2, "clock_max_graphics": card.clock[1], "clock_max_sm": card.clock[1],
        "clock_max_memory": card.memory_clock, "clock_max_video": video,
        "pcie_generation": card.pcie_generation, "pcie_max_generation": card.pcie_generation,
        "nvlinks": tuple(NvLink(remote_bus_id=f"00000000:0{5 + link % 4}:00.0") for link in range(card.links)),
        "nvlink_speed_mbps": card.link_bytes // 1_000_000 or None,
    }  # fmt: skip


def cards(shape: str, count: int = 8, *, node: str = "gpu-001") -> GpuState:
    """A healthy, idle node of these cards. Another node has other cards: other UUIDs and serials."""
    card = CARDS[shape]
    lowest_power, video, own = _OWN[shape]
    readings = {**_readings(card, lowest_power, video), **own}
    if "margin_supported" in own:
        most, slowdown, shutdown = card.limits
        readings |= {"slowdown_tlimit": most - slowdown, "shutdown_tlimit": most - shutdown}
        readings |= {"memory_max_tlimit": 0 if card.memory_sensor else None}
    gpus = []
    for slot in range(count):
        who = identity(shape, node, slot)
        gpus.append(Gpu(uuid=who.uuid, serial=who.serial, bus_id=who.bus_id, minor_number=slot, **readings))
    return GpuState(gpus=tuple(gpus))


def h100(count: int = 8, *, node: str = "gpu-001") -> GpuState:
    return cards("H100", count, node=node)


def h200(count: int = 8, *, node: str = "gpu-001") -> GpuState:
    return cards("H200", count, node=node)


def a100(count: int = 8, *, node: str = "gpu-001") -> GpuState:
    return cards("A100", count, node=node)


def b200(count: int = 8, *, node: str = "gpu-001") -> GpuState:
    return cards("B200", count, node=node)


def l40s(count: int = 8, *, node: str = "gpu-001") -> GpuState:
    """PCIe cards: no NVLink, no MIG, no memory sensor."""
    return cards("L40S", count, node=node)


def v100(count: int = 8, *, node: str = "gpu-001") -> GpuState:
    """Old cards: pages are retired, rows are not remapped, no recovery action."""
    return cards("V100", count, node=node)


# MIG profiles: slices of the GPU, eighth parts of its memory, the first instance id the driver gives.
_PROFILES = {"1g": (1, 1, 7), "2g": (2, 2, 3), "3g": (3, 4, 1), "4g": (4, 4, 1), "7g": (7, 8, 0)}


def with_mig(state: GpuState, gpu: int, profiles: tuple[str, ...]) -> GpuState:
    """The same node with MIG on, one device for each profile such as `1g.10gb`."""
    card = state.gpus[gpu]
    if card.mig_max is None or not isinstance(card.memory_total, int):
        raise ValueError(card.name)
    used: dict[str, int] = {}
    migs = []
    for index, profile in enumerate(profiles):
        slices, eighths, first = _PROFILES[profile.partition(".")[0]]
        number = used[profile] = used.get(profile, -1) + 1
        digest = hashlib.sha256(f"{card.uuid}/{index}/{profile}".encode()).digest()
        migs.append(
            MigDevice(
                index, first + number, 0, slices, slices, slices * 16,
                card.memory_total * eighths // 8, 9 * MIB, profile, f"MIG-{uuid.UUID(bytes=digest[:16])}",
            )
        )  # fmt: skip
    changed = replace(card, mig_current=1, mig_pending=1, migs=tuple(migs))
    return replace(state, gpus=(*state.gpus[:gpu], changed, *state.gpus[gpu + 1 :]))
