"""What the checks of one hook run look at. A fact that could not be had says why in `trouble`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, FrozenSet, List, Optional

    from aami_slurm.job import JobRun


class Facts:
    """Values only; whoever makes them (gather, the hooks) touches the world. `job_gpus` None: the whole node."""

    def __init__(self, node: "str", phase: "str", now: "float", mono_us: "int") -> "None":
        self.node = node
        self.phase = phase
        self.now = now
        self.mono_us = mono_us
        self.job: "Optional[JobRun]" = None
        self.job_gpus: "Optional[FrozenSet[str]]" = None
        self.neighbours: "List[Dict[str, Any]]" = []  # other job runs that are open now
        self.trouble: "Dict[str, str]" = {}
        self.expected_gpus: "Optional[int]" = None  # what Slurm is configured to have here
        self.inventory: "Optional[Dict[str, Any]]" = None
        self.gpus: "Optional[Dict[str, Any]]" = None
        self.kernel: "List[Dict[str, Any]]" = []
        self.pci: "Dict[str, Dict[str, Any]]" = {}
        self.hang: "Optional[Dict[str, Any]]" = None
        self.mounts: "Dict[str, Dict[str, Any]]" = {}
        self.disks: "Dict[str, Dict[str, Any]]" = {}
        self.services: "Dict[str, Dict[str, Any]]" = {}
        self.clock_sync: "Optional[Dict[str, Any]]" = None
        self.infiniband: "List[Dict[str, Any]]" = []
        self.site: "List[Dict[str, Any]]" = []
