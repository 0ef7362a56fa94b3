"""What dcgm-exporter exports: fields with their numbers, the default counters, and how versions differ."""

from __future__ import annotations

from dataclasses import dataclass

from aami_hpc.errors import UsageFault

GAUGE, COUNTER, LABEL = "gauge", "counter", "label"
_COLUMNS = 3
WINDOW = 300.0  # seconds that the exporter's own window counts look back
SAMPLING = 30.0  # seconds between two samples of a field
XIDS, CLOCK_EVENTS = "DCGM_EXP_XID_ERRORS_COUNT", "DCGM_EXP_CLOCK_EVENTS_COUNT"


@dataclass(frozen=True, slots=True)
class Counter:
    """One line of a counters file: what is exported, as what, with which help."""

    name: str
    type: str
    help: str


@dataclass(frozen=True, slots=True)
class Exporter:
    """How one release of dcgm-exporter labels its series."""

    bus_id: bool = True
    xid_text: bool = True
    hostname: str = "Hostname"


EXPORTERS = {
    "3.3.5-3.4.1": Exporter(bus_id=False, xid_text=False),
    "3.3.6-3.4.2": Exporter(bus_id=False),
    "3.3.7-3.5.0": Exporter(),
    "4.5.3-4.8.2": Exporter(),
    "main": Exporter(hostname="hostname"),
}
LATEST = "4.5.3-4.8.2"

# name -> (field number, the real exporter's default type, help). Series come in the order of the numbers.
FIELDS: dict[str, tuple[int, str, str]] = {
    "DCGM_FI_DEV_SM_CLOCK": (100, GAUGE, "SM clock frequency (in MHz)."),
    "DCGM_FI_DEV_MEM_CLOCK": (101, GAUGE, "Memory clock frequency (in MHz)."),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": (112, GAUGE, "Current clock event reasons (bitmask)."),
    "DCGM_FI_DEV_MAX_SM_CLOCK": (113, GAUGE, "Highest SM clock (in MHz)."),
    "DCGM_FI_DEV_MAX_MEM_CLOCK": (114, GAUGE, "Highest memory clock (in MHz)."),
    "DCGM_FI_DEV_MEMORY_TEMP": (140, GAUGE, "Memory temperature (in C)."),
    "DCGM_FI_DEV_GPU_TEMP": (150, GAUGE, "GPU temperature (in C)."),
    "DCGM_FI_DEV_MEM_MAX_OP_TEMP": (151, GAUGE, "Highest operating temperature of the memory (in C)."),
    "DCGM_FI_DEV_GPU_MAX_OP_TEMP": (152, GAUGE, "Highest operating temperature of the GPU (in C)."),
    "DCGM_FI_DEV_POWER_USAGE": (155, GAUGE, "Power draw (in W)."),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": (156, COUNTER, "Total energy consumption since boot (in mJ)."),
    "DCGM_FI_DEV_SLOWDOWN_TEMP": (158, GAUGE, "Temperature at which the GPU slows down (in C)."),
    "DCGM_FI_DEV_SHUTDOWN_TEMP": (159, GAUGE, "Temperature at which the GPU shuts down (in C)."),
    "DCGM_FI_DEV_POWER_MGMT_LIMIT": (160, GAUGE, "Power limit (in W)."),
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT": (164, GAUGE, "Power limit that the driver enforces (in W)."),
    "DCGM_FI_DEV_PSTATE": (190, GAUGE, "Performance state, 0 is the highest."),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": (202, COUNTER, "Total number of PCIe retries."),
    "DCGM_FI_DEV_GPU_UTIL": (203, GAUGE, "GPU utilization (in %)."),
    "DCGM_FI_DEV_MEM_COPY_UTIL": (204, GAUGE, "Memory utilization (in %)."),
    "DCGM_FI_DEV_ENC_UTIL": (206, GAUGE, "Encoder utilization (in %)."),
    "DCGM_FI_DEV_DEC_UTIL": (207, GAUGE, "Decoder utilization (in %)."),
    "DCGM_FI_DEV_XID_ERRORS": (230, GAUGE, "Value of the last XID error encountered."),
    "DCGM_FI_DEV_PCIE_MAX_LINK_GEN": (235, GAUGE, "Highest PCIe generation."),
    "DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH": (236, GAUGE, "Highest PCIe width."),
    "DCGM_FI_DEV_PCIE_LINK_GEN": (237, GAUGE, "PCIe generation."),
    "DCGM_FI_DEV_PCIE_LINK_WIDTH": (238, GAUGE, "PCIe width."),
    "DCGM_FI_DEV_POWER_VIOLATION": (240, COUNTER, "Throttling duration due to power constraints (in ns)."),
    "DCGM_FI_DEV_THERMAL_VIOLATION": (241, COUNTER, "Throttling duration due to thermal constraints (in ns)."),
    "DCGM_FI_DEV_SYNC_BOOST_VIOLATION": (242, COUNTER, "Throttling duration due to sync-boost constraints (in ns)."),
    "DCGM_FI_DEV_BOARD_LIMIT_VIOLATION": (243, COUNTER, "Throttling duration due to board limit constraints (in ns)."),
    "DCGM_FI_DEV_LOW_UTIL_VIOLATION": (244, COUNTER, "Throttling duration due to low utilization (in ns)."),
    "DCGM_FI_DEV_RELIABILITY_VIOLATION": (245, COUNTER, "Throttling duration due to reliability constraints (in ns)."),
    "DCGM_FI_DEV_FB_TOTAL": (250, GAUGE, "Framebuffer memory total (in MiB)."),
    "DCGM_FI_DEV_FB_FREE": (251, GAUGE, "Framebuffer memory free (in MiB)."),
    "DCGM_FI_DEV_FB_USED": (252, GAUGE, "Framebuffer memory used (in MiB)."),
    "DCGM_FI_DEV_FB_RESERVED": (253, GAUGE, "Framebuffer memory reserved (in MiB)."),
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": (310, COUNTER, "Total number of single-bit volatile ECC errors."),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": (311, COUNTER, "Total number of double-bit volatile ECC errors."),
    "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": (312, COUNTER, "Total number of single-bit persistent ECC errors."),
    "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL": (313, COUNTER, "Total number of double-bit persistent ECC errors."),
    "DCGM_FI_DEV_THRESHOLD_SRM": (346, GAUGE, "Whether the SRAM error threshold was exceeded."),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": (393, COUNTER, "Number of remapped rows for uncorrectable errors"),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": (394, COUNTER, "Number of remapped rows for correctable errors"),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": (395, GAUGE, "Whether remapping of rows has failed"),
    "DCGM_FI_DEV_ROW_REMAP_PENDING": (396, GAUGE, "Whether remapping of rows is pending"),
    "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": (409, COUNTER, "Total number of NVLink flow-control CRC errors."),
    "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": (419, COUNTER, "Total number of NVLink data CRC errors."),
    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": (429, COUNTER, "Total number of NVLink retries."),
    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": (439, COUNTER, "Total number of NVLink recovery errors."),
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL": (449, COUNTER, "Total number of NVLink bandwidth counters for all lanes."),
    "DCGM_FI_DEV_VGPU_LICENSE_STATUS": (526, GAUGE, "vGPU License status"),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": (1001, GAUGE, "Ratio of time the graphics engine is active."),
    "DCGM_FI_PROF_SM_ACTIVE": (1002, GAUGE, "The ratio of cycles an SM has at least 1 warp assigned."),
    "DCGM_FI_PROF_SM_OCCUPANCY": (1003, GAUGE, "The ratio of number of warps resident on an SM."),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": (1004, GAUGE, "Ratio of cycles the tensor (HMMA) pipe is active."),
    "DCGM_FI_PROF_DRAM_ACTIVE": (1005, GAUGE, "Ratio of cycles the device memory interface is active sending or receiving data."),
    "DCGM_FI_PROF_PCIE_TX_BYTES": (1009, GAUGE, "Rate of data transmitted over PCIe, headers and payload (in bytes per second)."),
    "DCGM_FI_PROF_PCIE_RX_BYTES": (1010, GAUGE, "Rate of data received over PCIe, headers and payload (in bytes per second)."),
    "DCGM_FI_DEV_GET_GPU_RECOVERY_ACTION": (1523, GAUGE, "What the driver wants done to recover the GPU."),
    CLOCK_EVENTS: (9001, GAUGE, "Clock events observed during the configured time window."),
    XIDS: (9002, GAUGE, "XID errors observed during the configured time window."),
}  # fmt: skip

LABELS = ("DCGM_FI_DRIVER_VERSION", "DCGM_FI_NVML_VERSION", "DCGM_FI_DEV_SERIAL", "DCGM_FI_DEV_VBIOS_VERSION")

# Enabled in the counters file that dcgm-exporter 4 ships; everything else stands in it behind a `#` or not at all.
_DEFAULT = (
    "DEV_SM_CLOCK", "DEV_MEM_CLOCK", "DEV_MEMORY_TEMP", "DEV_GPU_TEMP", "DEV_POWER_USAGE",
    "DEV_TOTAL_ENERGY_CONSUMPTION", "DEV_PCIE_REPLAY_COUNTER", "DEV_GPU_UTIL", "DEV_MEM_COPY_UTIL", "DEV_ENC_UTIL",
    "DEV_DEC_UTIL", "DEV_XID_ERRORS", "DEV_FB_FREE", "DEV_FB_USED", "DEV_FB_RESERVED", "DEV_NVLINK_BANDWIDTH_TOTAL",
    "DEV_VGPU_LICENSE_STATUS", "DEV_UNCORRECTABLE_REMAPPED_ROWS", "DEV_CORRECTABLE_REMAPPED_ROWS",
    "DEV_ROW_REMAP_FAILURE", "PROF_GR_ENGINE_ACTIVE", "PROF_PIPE_TENSOR_ACTIVE", "PROF_DRAM_ACTIVE",
    "PROF_PCIE_TX_BYTES", "PROF_PCIE_RX_BYTES",
)  # fmt: skip

# What MIG instances are not asked about, or don't know.
NOT_IN_MIG = frozenset(
    name
    for name in FIELDS
    if "NVLINK" in name or name.endswith(("GPU_UTIL", "MEM_COPY_UTIL", "ENC_UTIL", "DEC_UTIL"))
)

# The exporter's words for a code; others are "Unknown Error".
XID_TEXTS = {
    0: "No Error", 13: "Graphics Engine Exception", 31: "GPU memory page fault", 43: "GPU stopped processing",
    45: "Preemptive cleanup, due to previous errors -- Most likely to see when running multiple cuda",
    48: "Double Bit ECC Error", 62: "Internal micro-controller halt",
    63: "ECC page retirement or row remapping recording event",
    64: "ECC page retirement or row remapper recording failure", 74: "NVLINK Error",
    79: "GPU has fallen off the bus", 92: "High single-bit ECC error rate", 94: "Contained ECC error",
    95: "Uncontained ECC error", 109: "Context Switch Timeout Error", 119: "GSP RPC Timeout", 120: "GSP Error",
    137: "NVLink Privilege Error", 140: "Unrecovered ECC Error", 143: "GPU Initialization Failure",
    149: "NVLINK: NETIR Error", 154: "GPU Recovery Action Changed",
}  # fmt: skip


def _counter(name: str) -> Counter:
    return Counter(name, FIELDS[name][1], FIELDS[name][2])


DRIVER_LABEL = Counter("DCGM_FI_DRIVER_VERSION", LABEL, "Driver Version")
DEFAULT_COUNTERS = (*(_counter(f"DCGM_FI_{name}") for name in _DEFAULT), DRIVER_LABEL)
ALL_COUNTERS = (*(_counter(name) for name in FIELDS), DRIVER_LABEL)


def read_counters(text: str) -> tuple[Counter, ...]:
    """A counters file as dcgm-exporter reads it: `FIELD, type, help`; `#` begins a comment line."""
    counters = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = [part.strip() for part in line.split(",", 2)]
        if len(parts) != _COLUMNS or parts[1] not in {GAUGE, COUNTER, LABEL}:
            raise UsageFault(f"Line {number} of the counters is not `FIELD, type, help`", cause=line.strip())
        if parts[0] not in (LABELS if parts[1] == LABEL else FIELDS):
            raise UsageFault(
                f"The simulator has no values for {parts[0]}",
                cause=f"Line {number} of the counters asks for it as {parts[1]}",
                hint="Leave it out, or add it to aami_hpc/testing/dcgm_fields.py and dcgm_model.py",
            )
        counters.append(Counter(*parts))
    return tuple(counters)
