"""The state of one fake node's GPUs: an immutable value, changed by copying, written whole.

    state = h100().with_fault("lost", gpu=3).change(0, temperature=91)
    state.write(path)

A reading is a number (or text), None where the card lacks it, or `Refusal(code)` where the query fails with
that NVML error. `tests/lab/nvml/src/state.h` is the other side of the format.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from aami_hpc.io.files import write_atomic
from aami_hpc.testing.dcgm_cards import DRIVER

if TYPE_CHECKING:
    from pathlib import Path

NO_INSTANCE = 0xFFFFFFFF
SWITCH = 2  # what an NVLink of these shapes leads to


class Nvml(IntEnum):
    """NVML's answers that the fakes give."""

    SUCCESS = 0
    UNINITIALIZED = 1
    INVALID_ARGUMENT = 2
    NOT_SUPPORTED = 3
    NO_PERMISSION = 4
    NOT_FOUND = 6
    INSUFFICIENT_SIZE = 7
    DRIVER_NOT_LOADED = 9
    CORRUPTED_INFOROM = 14
    GPU_IS_LOST = 15
    LIB_RM_VERSION_MISMATCH = 18
    ARGUMENT_VERSION_MISMATCH = 25
    UNKNOWN = 999


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reading that fails."""

    code: int

    def __str__(self) -> str:
        return f"!{int(self.code)}"


Number = int | Refusal | None
Text = str | Refusal | None


class _Line(Protocol):
    """What a GPU has several of: one line of the file each."""

    def line(self) -> str: ...


@dataclass(frozen=True, slots=True)
class NvLink:
    active: bool = True
    replay: int = 0
    recovery: int = 0
    crc_flit: int = 0
    crc_data: int = 0
    symbol: int = 0
    remote_type: int = SWITCH
    remote_bus_id: str = "00000000:05:00.0"

    def line(self) -> str:
        counters = f"{self.replay} {self.recovery} {self.crc_flit} {self.crc_data} {self.symbol}"
        return f"nvlink {int(self.active)} {counters} {self.remote_type} {self.remote_bus_id}"


@dataclass(frozen=True, slots=True)
class Process:
    """A process that computes. Its name is whatever its owner chose."""

    pid: int
    memory: int
    name: str = "python"
    gpu_instance: int = NO_INSTANCE
    compute_instance: int = NO_INSTANCE

    def line(self) -> str:
        plain = "".join(
            chr(byte) if 0x20 <= byte < 0x7F and byte != ord("\\") else f"\\x{byte:02x}"
            for byte in self.name.encode()
        )
        return f"process {self.pid} {self.memory} {self.gpu_instance} {self.compute_instance} {plain}"


@dataclass(frozen=True, slots=True)
class MigDevice:
    index: int
    gpu_instance: int
    compute_instance: int
    gpu_slices: int
    compute_slices: int
    multiprocessors: int
    memory_total: int
    memory_used: int
    profile: str
    uuid: str

    def line(self) -> str:
        ids = f"{self.index} {self.gpu_instance} {self.compute_instance}"
        slices = f"{self.gpu_slices} {self.compute_slices} {self.multiprocessors}"
        return f"mig {ids} {slices} {self.memory_total} {self.memory_used} {self.profile} {self.uuid}"


@dataclass(frozen=True, slots=True)
class RetiredPage:
    cause: int
    address: int
    time: int = 0

    def line(self) -> str:
        return f"retired {self.cause} {self.address:x} {self.time}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU. Field names are the keys of the state file; memory is in bytes, power in mW, clocks in MHz."""

    uuid: Text
    bus_id: str
    presence: str = "present"  # present, lost, unreachable, removed, denied
    name: Text = None
    serial: Text = None
    vbios: Text = None
    board_part: Text = None
    inforom: Text = None
    pci_device_id: Number = None
    pci_subsystem_id: Number = None
    minor_number: Number = None
    architecture: Number = None
    compute_major: Number = None
    compute_minor: Number = None
    persistence_mode: Number = 1
    compute_mode: Number = 0
    performance_state: Number = 0
    memory_total: Number = None
    memory_reserved: Number = None
    memory_used: Number = 0
    util_gpu: Number = 0
    util_memory: Number = 0
    temperature: Number = None
    memory_temperature: Number = None
    shutdown_temperature: Number = None
    slowdown_temperature: Number = None
    gpu_max_temperature: Number = None
    memory_max_temperature: Number = None
    shutdown_tlimit: Number = None
    slowdown_tlimit: Number = None
    gpu_max_tlimit: Number = None
    memory_max_tlimit: Number = None
    margin_supported: Number = None  # the margin itself is gpu_max_temperature - temperature
    power_usage: Number = None
    power_limit: Number = None
    power_enforced_limit: Number = None
    power_default_limit: Number = None
    power_min_limit: Number = None
    power_max_limit: Number = None
    energy: Number = None
    clock_graphics: Number = None
    clock_sm: Number = None
    clock_memory: Number = None
    clock_video: Number = None
    clock_max_graphics: Number = None
    clock_max_sm: Number = None
    clock_max_memory: Number = None
    clock_max_video: Number = None
    throttle_reasons: Number = 0x1
    throttle_supported: Number = 0x1FF
    throttle_power_us: Number = 0
    throttle_sw_thermal_us: Number = 0
    throttle_hw_thermal_us: Number = 0
    throttle_power_brake_us: Number = 0
    pcie_generation: Number = None
    pcie_width: Number = 16
    pcie_max_generation: Number = None
    pcie_max_width: Number = 16
    pcie_replays: Number = 0
    ecc_current: Number = 1
    ecc_pending: Number = 1
    ecc_volatile_corrected_dram: Number = 0
    ecc_volatile_corrected_sram: Number = 0
    ecc_volatile_uncorrected_dram: Number = 0
    ecc_volatile_uncorrected_sram_parity: Number = 0
    ecc_volatile_uncorrected_sram_secded: Number = 0
    ecc_aggregate_corrected_dram: Number = 0
    ecc_aggregate_corrected_sram: Number = 0
    ecc_aggregate_uncorrected_dram: Number = 0
    ecc_aggregate_uncorrected_sram_parity: Number = 0
    ecc_aggregate_uncorrected_sram_secded: Number = 0
    ecc_sram_threshold_exceeded: Number = 0
    remap_corrected: Number = None
    remap_uncorrected: Number = None
    remap_pending: Number = None
    remap_failure: Number = None
    remap_banks_max: Number = None
    remap_banks_high: Number = None
    remap_banks_partial: Number = None
    remap_banks_low: Number = None
    remap_banks_none: Number = None
    retired_supported: bool = False
    retired_pending: Number = None
    nvlink_version: Number = None
    nvlink_speed_mbps: Number = None
    nvlink_error_counters: Number = None
    nvlink_port_counters: Number = None
    fabric_state: Number = None
    fabric_status: Number = None
    fabric_clique: Number = None
    fabric_health_mask: Number = None
    fabric_health_summary: Number = None
    mig_current: Number = None
    mig_pending: Number = None
    mig_max: Number = None
    recovery_action: Number = None
    hang: int = 0  # 1: queries never return, 2: taking the handle never returns either
    slow_start_ms: int = 0
    slow_call_ms: int = 0
    frozen_path: str = ""  # every call writes here first: on a frozen file system it sleeps in the kernel
    nvlinks: tuple[NvLink, ...] = ()
    processes: tuple[Process, ...] = ()
    migs: tuple[MigDevice, ...] = ()
    retired: tuple[RetiredPage, ...] = ()

    def lines(self) -> list[str]:
        """This GPU's part of the state file."""
        plain = [
            f"{field.name} {_plain(value)}"
            for field in fields(self)
            if field.name not in {"nvlinks", "processes", "migs", "retired"}
            and (value := getattr(self, field.name)) not in (None, "")
        ]
        groups: tuple[tuple[_Line, ...], ...] = (self.nvlinks, self.processes, self.migs, self.retired)
        return ["gpu", *plain, *(part.line() for group in groups for part in group)]


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, int) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuState:
    """The GPUs of one node and the driver above them."""

    gpus: tuple[Gpu, ...]
    driver_version: str = DRIVER
    nvml_version: str = f"13.{DRIVER}"
    cuda_version: int = 13000
    init: int | str = 0  # what nvmlInit answers, or "hang"
    init_ms: int = 0
    frozen_path: str = ""

    def change(self, gpu: int, **readings: Any) -> GpuState:
        """The same node with other readings of one GPU."""
        gpus = list(self.gpus)
        gpus[gpu] = replace(gpus[gpu], **readings)
        return replace(self, gpus=tuple(gpus))

    def with_fault(self, fault: str, *, gpu: int | None = None) -> GpuState:
        """The same node with one of `faults.NODE_FAULTS`, or one of `faults.GPU_FAULTS` on a GPU."""
        from tests.lab.nvml import faults

        if gpu is None:
            return faults.NODE_FAULTS[fault](self)
        changed = faults.GPU_FAULTS[fault](self.gpus[gpu])
        if changed == self.gpus[gpu]:
            raise ValueError(f"{fault} can't happen to {changed.name}")
        return replace(self, gpus=(*self.gpus[:gpu], changed, *self.gpus[gpu + 1 :]))

    def text(self) -> str:
        head = ["aami-fake-gpus 1"]
        for name in ("driver_version", "nvml_version", "cuda_version", "init", "init_ms", "frozen_path"):
            value = getattr(self, name)
            if value not in ("", None):
                head.append(f"{name} {value}")
        return "\n".join([*head, *(line for gpu in self.gpus for line in gpu.lines())]) + "\n"

    def write(self, path: Path) -> None:
        """Put the state at `path` in one step: a reader sees the old state or this one, never a part."""
        write_atomic(path, self.text(), mode=0o644)
        # The kernel's own stamp counts in ticks of milliseconds, and a file number is used again: two changes within
        # one tick would look like none to a process that has seen the state before both.
        now = time.time_ns()
        os.utime(path, ns=(now, now))
