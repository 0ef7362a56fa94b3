"""What the last look at the whole node found, for the prolog: how old it is, and which of its findings still stand.

On tmpfs, written by health, read by everyone. Without it the prolog looks for itself.
"""

import os

from aami_slurm import fast_json
from aami_slurm.finding import from_dict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from aami_slurm.finding import Finding
    from aami_slurm.places import Places

FRESH = 60.0
AGAIN = "/again"  # below the run folder: a drain is owed, and health is to look at once


class Known:
    """`gpus_mono`: when the driver last answered about all GPUs, in seconds since boot; None if it never did."""

    def __init__(self, gpus_mono: "Optional[float]", findings: "List[Finding]") -> "None":
        self.gpus_mono = gpus_mono
        self.findings = findings


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
    write_atomic(places.run + "/known.json", fast_json.dumps(told).encode("ascii"), fsync=False, alone=True)


def ask_again(places: "Places", *, again: "bool") -> "None":
    """Whether a drain that was decided is still owed, because Slurm could not be asked: health then looks at once."""
    try:
        if again:
            os.close(os.open(places.run + AGAIN, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        else:
            os.unlink(places.run + AGAIN)
    except OSError:
        pass  # not there; or tmpfs takes nothing, and health looks at its own time


def is_owed(places: "Places") -> "bool":
    return os.path.exists(places.run + AGAIN)
