"""Simulated GPUs as data: what each card can do, and who each card of a node is.

The identity depends on the shape, the node's name and the place alone, so every fake of a node agrees on it.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

DRIVER = "580.173.02"  # what every fake of a node says
_HGX = ("1B", "43", "52", "61", "9D", "C3", "D1", "DF")
_DGX_A100 = ("07", "0F", "47", "4E", "87", "90", "B7", "BD")
_PCIE = ("21", "41", "61", "81", "A1", "C1", "E1", "F1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One kind of GPU. Memory in MiB, power in W, clocks in MHz, temperatures in degrees Celsius."""

    model: str
    buses: tuple[str, ...]
    serial_prefix: str = "16"
    vbios: str
    memory: tuple[int, int]  # all, and what the driver reserves
    power: tuple[int, int]  # idle, limit
    clock: tuple[int, int]  # idle, highest
    memory_clock: int
    temperature: tuple[int, int]  # idle, loaded
    limits: tuple[int, int, int]  # highest in operation, slowdown, shutdown
    memory_sensor: bool = True
    remaps_rows: bool = True
    links: int = 18
    link_bytes: int  # per second, link and direction
    link_counters: bool = True  # Blackwell has no CRC, replay and recovery counters
    pcie_generation: int


@dataclass(frozen=True, slots=True)
class Identity:
    """One GPU that exists: its UUID is the truth, the rest are attributes."""

    index: int
    uuid: str
    serial: str
    bus_id: str


CARDS = {
    "V100": Card(
        model="Tesla V100-SXM2-32GB", buses=_DGX_A100, serial_prefix="03", vbios="88.00.80.00.01",
        memory=(32768, 263), power=(43, 300), clock=(135, 1530), memory_clock=877, temperature=(36, 58),
        limits=(83, 87, 90), remaps_rows=False, links=6, link_bytes=25_781_000_000, pcie_generation=3,
    ),
    "A100": Card(
        model="NVIDIA A100-SXM4-80GB", buses=_DGX_A100, vbios="92.00.45.00.03",
        memory=(81920, 594), power=(61, 400), clock=(210, 1410), memory_clock=1593, temperature=(32, 61),
        limits=(85, 89, 92), links=12, link_bytes=25_000_000_000, pcie_generation=4,
    ),
    "H100": Card(
        model="NVIDIA H100 80GB HBM3", buses=_HGX, vbios="96.00.A5.00.01",
        memory=(81559, 479), power=(71, 700), clock=(345, 1980), memory_clock=2619, temperature=(34, 64),
        limits=(87, 89, 95), link_bytes=26_562_000_000, pcie_generation=5,
    ),
    "H200": Card(
        model="NVIDIA H200", buses=_HGX, vbios="96.00.A5.00.03",
        memory=(143771, 616), power=(85, 700), clock=(345, 1980), memory_clock=3201, temperature=(37, 66),
        limits=(87, 89, 95), link_bytes=26_562_000_000, pcie_generation=5,
    ),
    "B200": Card(
        model="NVIDIA B200", buses=_HGX, vbios="97.00.82.00.18",
        memory=(183359, 740), power=(143, 1000), clock=(120, 1965), memory_clock=3996, temperature=(32, 68),
        limits=(85, 87, 92), link_bytes=53_125_000_000, link_counters=False, pcie_generation=6,
    ),
    "L40S": Card(
        model="NVIDIA L40S", buses=_PCIE, serial_prefix="13", vbios="95.02.66.00.02",
        memory=(46068, 609), power=(33, 350), clock=(210, 2520), memory_clock=9001, temperature=(31, 66),
        limits=(88, 90, 93), memory_sensor=False, links=0, link_bytes=0, pcie_generation=4,
    ),
}  # fmt: skip


def identity(shape: str, node: str, index: int) -> Identity:
    """Who the GPU in this place of this node is."""
    card = CARDS[shape]
    digest = hashlib.sha256(f"{node}/{shape}/{index}".encode()).digest()
    return Identity(
        index,
        f"GPU-{uuid.UUID(bytes=digest[:16])}",
        f"{card.serial_prefix}{int.from_bytes(digest[16:20], 'big') % 10**11:011d}",
        f"00000000:{card.buses[index]}:00.0",
    )
