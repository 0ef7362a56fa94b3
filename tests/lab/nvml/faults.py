"""Named faults: what a driver reports when this has happened. Each changes one GPU's or the node's state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.lab.nvml.state import Gpu, GpuState, Nvml, Process, Refusal, RetiredPage

if TYPE_CHECKING:
    from collections.abc import Callable

SW_POWER_CAP, HW_SLOWDOWN, SW_THERMAL, HW_THERMAL, POWER_BRAKE = 0x4, 0x8, 0x20, 0x40, 0x80
RESET, REBOOT, DRAIN_P2P, DRAIN_AND_RESET, RECOVER_IMEX = 1, 2, 3, 4, 5
GARBAGE = 0xFFFFFFFF


def _has(gpu: Gpu, **changes: Any) -> Gpu:
    """The GPU with these readings, as far as the card has them at all."""
    return replace(gpu, **{name: value for name, value in changes.items() if getattr(gpu, name) is not None})


def _link(gpu: Gpu, **changes: Any) -> Gpu:
    links = [replace(gpu.nvlinks[0], **changes), *gpu.nvlinks[1:]] if gpu.nvlinks else []
    return replace(gpu, nvlinks=tuple(links))


def _no_links(gpu: Gpu) -> Gpu:
    return replace(gpu, nvlinks=tuple(replace(link, active=False) for link in gpu.nvlinks))


def _retired(gpu: Gpu) -> Gpu:
    return (
        replace(gpu, retired=(RetiredPage(1, 0x7F00),), retired_pending=1) if gpu.retired_supported else gpu
    )


def _hot(gpu: Gpu) -> Gpu:
    return replace(
        gpu, temperature=gpu.slowdown_temperature, throttle_reasons=HW_SLOWDOWN | HW_THERMAL,
        throttle_hw_thermal_us=42_000_000, clock_sm=345, clock_graphics=345,
    )  # fmt: skip


def _hostile(gpu: Gpu) -> Gpu:
    return replace(gpu, processes=(Process(31337, 1 << 30, "x\n\x1b[31m$(reboot) \u202e'\""),))


GPU_FAULTS: dict[str, Callable[[Gpu], Gpu]] = {
    # the GPU is not there, or not for us
    "lost": lambda gpu: replace(gpu, presence="lost"),  # Xid 79: the count stays, calls say "GPU is lost"
    "unreachable": lambda gpu: replace(gpu, presence="unreachable"),  # the same, said as "Unknown Error"
    "removed": lambda gpu: replace(gpu, presence="removed"),  # gone after a reload: fewer GPUs, other indices
    "denied": lambda gpu: replace(gpu, presence="denied"),
    # the driver does not answer
    "hang": lambda gpu: replace(gpu, hang=2),
    "hang-in-calls": lambda gpu: replace(gpu, hang=1),
    "cold-start": lambda gpu: replace(gpu, persistence_mode=0, slow_start_ms=3000),
    # memory
    "ecc-corrected": lambda gpu: _has(
        gpu, ecc_volatile_corrected_dram=4096, ecc_aggregate_corrected_dram=9000, remap_corrected=1
    ),
    "ecc-uncorrectable": lambda gpu: _has(
        gpu, ecc_volatile_uncorrected_dram=1, ecc_aggregate_uncorrected_dram=1, remap_uncorrected=1, remap_pending=1,
        recovery_action=RESET,
    ),
    "ecc-sram-threshold": lambda gpu: _has(
        gpu, ecc_aggregate_uncorrected_sram_parity=11, ecc_sram_threshold_exceeded=1
    ),
    "ecc-off": lambda gpu: _has(gpu, ecc_current=0),
    "row-remap-pending": lambda gpu: _has(gpu, remap_uncorrected=1, remap_pending=1),
    "row-remap-failure": lambda gpu: _has(gpu, remap_uncorrected=9, remap_failure=1, remap_banks_none=1),
    "page-retirement-pending": _retired,
    # links
    "nvlink-down": lambda gpu: _link(gpu, active=False),
    "nvlink-all-down": _no_links,
    "nvlink-errors": lambda gpu: _link(gpu, replay=1200, recovery=3, crc_flit=5400, symbol=5400),
    "fabric-not-started": lambda gpu: _has(gpu, fabric_state=1),
    "pcie-narrow": lambda gpu: replace(gpu, pcie_width=8),
    "pcie-replays": lambda gpu: replace(gpu, pcie_replays=4711),
    # heat and power
    "hw-thermal": _hot,
    "sw-thermal": lambda gpu: replace(gpu, throttle_reasons=SW_THERMAL, throttle_sw_thermal_us=9_000_000),
    "power-brake": lambda gpu: replace(gpu, throttle_reasons=HW_SLOWDOWN | POWER_BRAKE, clock_sm=345),
    "power-cap": lambda gpu: replace(gpu, throttle_reasons=SW_POWER_CAP, power_usage=gpu.power_limit),
    # what the driver asks for
    "needs-reset": lambda gpu: _has(gpu, recovery_action=RESET),
    "needs-reboot": lambda gpu: _has(gpu, recovery_action=REBOOT),
    "needs-drain-p2p": lambda gpu: _has(gpu, recovery_action=DRAIN_P2P),
    "needs-drain-and-reset": lambda gpu: _has(gpu, recovery_action=DRAIN_AND_RESET),
    "needs-imex": lambda gpu: _has(gpu, recovery_action=RECOVER_IMEX),
    "recovery-unknown": lambda gpu: replace(gpu, recovery_action=None),  # a driver before R565
    # odd answers
    "leftover-process": lambda gpu: replace(gpu, memory_used=30 << 30, processes=(Process(31337, 30 << 30),)),
    "hostile-process": _hostile,
    "inforom-corrupted": lambda gpu: replace(
        gpu, serial=Refusal(Nvml.CORRUPTED_INFOROM), inforom=Refusal(Nvml.CORRUPTED_INFOROM)
    ),
    "garbage": lambda gpu: replace(
        gpu, temperature=GARBAGE, power_usage=GARBAGE, recovery_action=GARBAGE, pcie_width=0, name="?"
    ),
}  # fmt: skip

NODE_FAULTS: dict[str, Callable[[GpuState], GpuState]] = {
    "driver-not-loaded": lambda state: replace(state, init=int(Nvml.DRIVER_NOT_LOADED)),
    "version-mismatch": lambda state: replace(state, init=int(Nvml.LIB_RM_VERSION_MISMATCH)),
    "no-permission": lambda state: replace(state, init=int(Nvml.NO_PERMISSION)),
    "unknown-error": lambda state: replace(state, init=int(Nvml.UNKNOWN)),
    "hang": lambda state: replace(state, init="hang"),
    "slow-init": lambda state: replace(state, init_ms=3000),
    "no-gpus": lambda state: replace(
        state, gpus=tuple(replace(gpu, presence="removed") for gpu in state.gpus)
    ),
}
