"""What the last look at the whole node found, for the prolog: how old it is, and which of its findings still stand.

On tmpfs, written by health, read by everyone. Without it the prolog looks for itself.
"""

from aami_slurm import fast_json
from aami_slurm.finding import from_dict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from aami_slurm.finding import Finding
    from aami_slurm.places import Places

FRESH = 60.0


class Known:
    """`gpus_mono`: when the driver last answered about all GPUs, in seconds since boot; None if it never did."""

    def __init__(self, gpus_mono: "Optional[float]", findings: "List[Finding]") -> "None":
        self.gpus_mono = gpus_mono
        self.findings = findings

    def fresh(self, mono: "float") -> "bool":
        return self.gpus_mono is not None and 0 <= mono - self.gpus_mono <= FRESH


def load(places: "Places") -> "Known":
    try:
        with open(places.run + "/known.json", "rb") as source:
            told: "Dict[str, Any]" = fast_json.loads(source.read().decode("ascii"))
        return Known(told["gpus_mono"], [from_dict(finding) for finding in told["findings"]])
    except (OSError, ValueError, KeyError, TypeError):
        return Known(None, [])


def save(places: "Places", known: "Known") -> "None":
    from aami_slurm.files import write_atomic

    told = {"gpus_mono": known.gpus_mono, "findings": [finding.to_dict() for finding in known.findings]}
    write_atomic(places.run + "/known.json", fast_json.dumps(told).encode("ascii"), fsync=False)
