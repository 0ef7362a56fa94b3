"""What the hooks remember of this boot, read without their lock: for looking only."""

from aami_slurm.log import Log
from aami_slurm.snapshot import Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aami_slurm.node import Node
    from aami_slurm.state import State


def state(here: "Node") -> "State":
    """As of the last hook that ended."""
    places, boot_id = here.places, here.boot_id
    return Snapshot(places.run, boot_id).restore(Log(places.journal, boot_id), Log(places.ledger, boot_id))
