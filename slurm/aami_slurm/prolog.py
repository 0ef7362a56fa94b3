"""Slurm's prolog: the ledger entry first, then what is known of the job's GPUs, then at most one drain.

Fast while health looked less than a minute ago and the driver has said nothing since: then the journal, the PCI
config of the job's GPUs and what health left behind are all it reads. Else it asks the job's GPUs themselves, in what
is left of two seconds.
"""

import os

from aami_slurm import inventory, known, register, runs
from aami_slurm.book import Book
from aami_slurm.ending import START, finish, opened, take_known, take_left
from aami_slurm.finding import FAIL
from aami_slurm.hook import BLOCK, CONFIG, Stop
from aami_slurm.job import JobRun
from aami_slurm.probes import pci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Set, Tuple

    from aami_slurm.gpus import Resolution
    from aami_slurm.node import Node
    from aami_slurm.state import State

TARGET = 2.0
RESERVE = 0.2  # of the target, for what comes after the probe
TAKEN_BACK = "recovery"  # of these a newer line with no action cancels an older one
NOBODY = ("none", "tell-user")  # actions that ask nothing of the node


class Seen:
    """What can be had without the driver: the kernel's lines, the PCI config, the register of hung probes, health's
    last findings.
    """

    def __init__(self, node: "Node", found: "Resolution", state: "State") -> "None":
        self.found = found
        held = {gpu["uuid"] for gpu in found.gpus}
        self.kernel = [event for event in state.recent if _matters(event, held, state.covered_seq)]
        self.pci = pci.read_all(node.places, [gpu["bus_id"] for gpu in found.gpus])
        self.hang = register.hang_fact(node.places, node.clock)
        self.site = os.path.isdir(node.places.site_checks)
        before = known.load(node.places)
        self.fresh = before.fresh(node.clock.mono()) and not found.unresolved
        self.known = [one for one in before.findings if one.outcome == FAIL and one.gpu_uuid in {None, *held}]

    @property
    def quiet(self) -> "bool":
        """Nothing at all that a check would have to judge."""
        return (
            self.fresh
            and not self.known
            and not self.kernel
            and not (self.hang and self.hang.get("verdict"))
            and all(pci.is_there(told) for told in self.pci.values())
            and not self.site
        )


def _matters(event: "Dict[str, Any]", held: "Set[str]", covered_seq: "int") -> "bool":
    """Whether a journalled kernel event may say something about this job's GPUs that had no consequence yet."""
    return (
        event["seq"] > covered_seq
        and (event.get("action") not in NOBODY or event.get("family") == TAKEN_BACK)
        and (event.get("gpu_uuid") is None or event["gpu_uuid"] in held)
    )


def run(node: "Node") -> "Tuple[int, str]":
    """(exit status, line for slurmd's log)."""
    job = JobRun(os.environ, node.settings.cluster)
    if job.job_id is None:
        raise Stop(CONFIG, "no SLURM_JOB_ID: only slurmd calls this")
    stock = inventory.load(node.places, node.boot_id)
    book = Book(node.places, node.clock, node.name, job.cluster, node.boot_id)
    with opened(node, book, START):
        take_left(book, stock)
        found = runs.begin(book, job, stock)
        book.commit(last=False)
        spoke = take_known(book, node, stock)
        has_gpus = bool(found.gpus or found.unresolved)
        seen = Seen(node, found, book.state)
        if (seen.quiet and not spoke) or not (has_gpus or seen.site):
            finish(node, book, stock)
            return 0, ""
        book.commit(last=False)
    return _look(node, book, job, stock, seen, ask=has_gpus and (spoke or not seen.fresh))


def _look(
    node: "Node",
    book: "Book",
    job: "JobRun",
    stock: "Optional[Dict[str, Any]]",
    seen: "Seen",
    *,
    ask: "bool",
) -> "Tuple[int, str]":
    """The slow path: checks, with a probe of the GPUs where what is known of them is old or the driver spoke."""
    from aami_slurm.looking import Look

    look = Look(node, book, stock, with_gpus=ask)
    facts = look.facts
    facts.job = job
    # GPUs that could not be told which they are may be any: then the node's fault is what counts, and nothing blocks.
    facts.job_gpus = None if seen.found.unresolved else frozenset(gpu["uuid"] for gpu in seen.found.gpus)
    facts.kernel, facts.pci, facts.hang = seen.kernel, seen.pci, seen.hang
    look.start(node.left(TARGET - RESERVE))
    from aami_slurm import frame  # what judges is loaded while the probes run
    from aami_slurm.conclude import conclude

    look.load()
    look.wait(node.left(TARGET - RESERVE))
    judged = look.judge()
    if not ask:
        judged += frame.of_known(node, seen.known)
    conclusion = conclude(node, book, judged, facts.job_gpus, look.stock)
    return (BLOCK, conclusion.words) if conclusion.blocks else (0, "")
