"""The checks: one file each, named like the check. A check looks at facts and says what it found; the frame does the rest.

A module has NAME, NEEDS (the facts it looks at), PHASES, DEFAULTS (budget, effect, limits, and maybe `looks`: how many
looks of health in a row must agree before a `fail` is one; 1 if it doesn't say) and `check(facts, limits)`, which
returns findings: none means pass. Its page in docs/checks tells people the same.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

EVERYWHERE = ("prolog", "epilog", "health")
NO_JOB_WAITS = ("epilog", "health")
WHOLE_NODE = ("health",)

# name: (module, phases). The phases stand here too, so that a hook loads no check that is not its own.
TABLE: "Dict[str, Tuple[str, Tuple[str, ...]]]" = {
    "driver-answers": ("driver_answers", EVERYWHERE),
    "xid": ("xid", EVERYWHERE),
    "pcie-gone": ("pcie_gone", EVERYWHERE),
    "gpu-count": ("gpu_count", EVERYWHERE),
    "gpu-identity": ("gpu_identity", EVERYWHERE),
    "recovery-action": ("recovery_action", EVERYWHERE),
    "row-remap-failure": ("row_remap_failure", EVERYWHERE),
    "ecc-uncorrectable": ("ecc_uncorrectable", EVERYWHERE),
    "nvlink-down": ("nvlink_down", EVERYWHERE),
    "row-remap-pending": ("row_remap_pending", NO_JOB_WAITS),
    "thermal": ("thermal", NO_JOB_WAITS),
    "leftover-processes": ("leftover_processes", ("epilog",)),
    "mount-missing": ("mount_missing", WHOLE_NODE),
    "mount-hang": ("mount_hang", WHOLE_NODE),
    "fs-readonly": ("fs_readonly", WHOLE_NODE),
    "disk-free": ("disk_free", WHOLE_NODE),
    "clock-skew": ("clock_skew", WHOLE_NODE),
    "services": ("services", WHOLE_NODE),
    "ib-port-down": ("ib_port_down", WHOLE_NODE),
}


def load(name: "str") -> "Any":
    """The module of a check; KeyError for a name that is none."""
    return __import__("aami_slurm.checks." + TABLE[name][0], fromlist=["check"])


def of_phase(phase: "str") -> "List[str]":
    """The names of a phase's checks, in the order they run and are told."""
    return [name for name, (_, phases) in TABLE.items() if phase in phases]
