"""One hook run on one node: where things are, what was set, who we are, and since when we run."""

import os

from aami_slurm import places, settings
from aami_slurm.clock import Clock
from aami_slurm.hook import CONFIG, Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping

    from aami_slurm.places import Places
    from aami_slurm.settings import Settings

NAME_LENGTH = 255
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")

# Until when a hook waits for the others' lock: what it has to write down comes before how fast it is.
PATIENCE = {"prolog": 3.0, "epilog": 6.0, "health": 40.0}
LEAST_PATIENCE = 0.3


class Node:
    """`name` is Slurm's NodeName. `phase` is the hook, or `command` for people."""

    def __init__(
        self, where: "Places", told: "Settings", clock: "Clock", name: "str", phase: "str"
    ) -> "None":
        self.places = where
        self.settings = told
        self.clock = clock
        self.name = name
        self.phase = phase
        self.boot_id = where.boot_id()
        self.began = clock.mono()

    @property
    def patience(self) -> "float":
        """How long to wait for the lock now."""
        return max(LEAST_PATIENCE, self.left(PATIENCE.get(self.phase, LEAST_PATIENCE)))

    def left(self, seconds: "float") -> "float":
        """What is left of so many seconds since the hook began."""
        return max(0.0, self.began + seconds - self.clock.mono())


def from_environment(phase: "str", environ: "Mapping[str, str]" = os.environ) -> "Node":
    """The node this process runs on, or Stop with what is set up wrongly."""
    where = places.from_environment()
    try:
        told = settings.load(where)
    except settings.Unusable as error:
        raise Stop(CONFIG, str(error)) from None
    return Node(where, told, Clock(), name_of(where, environ), phase)


def name_of(where: "Places", environ: "Mapping[str, str]") -> "str":
    """NodeName as slurmd gives it, else as it was written down. Never the host's name: they differ."""
    name = environ.get("SLURMD_NODENAME", "")
    if not name:
        try:
            with open(where.node_name, "rb") as source:
                name = source.read(NAME_LENGTH + 2).decode("ascii", "replace").strip()
        except OSError as error:
            raise Stop(CONFIG, "no SLURMD_NODENAME, and %s: %s" % (where.node_name, error.strerror)) from None
    if not is_name(name):
        raise Stop(CONFIG, "no node name: %r" % name[:NAME_LENGTH])
    return name


def is_name(name: "str") -> "bool":
    """One literal node name: no range, no list, and not ALL, which Slurm takes for every node."""
    return 0 < len(name) <= NAME_LENGTH and NAME_CHARACTERS.issuperset(name) and name.upper() != "ALL"
