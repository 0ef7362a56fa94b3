"""Slurm's prolog: the ledger entry first, then what is known of the job's GPUs, then at most one drain.

Fast while health looked less than a minute ago and the driver has said nothing since: then the journal, the PCI
config of the job's GPUs and what health left behind are all it reads. Else it asks the job's GPUs themselves, for a
second at most.
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
    from typing import Any, Dict, Optional, Tuple

    from aami_slurm.facts import Facts
    from aami_slurm.gpus import Resolution
    from aami_slurm.node import Node
    from aami_slurm.state import State

TARGET = 2.0
RESERVE = 0.2  # of the target, for what comes after the probe
BLOCKS = "block-and-drain"
PROBE = 1.2  # what the driver gets: a drain that follows needs its time before the hook's hard limit
UNBELIEVED = "unattributed"
NOBODY = ("none", "tell-user")  # actions that ask nothing of the node


class Seen:
    """What can be had without the driver: the kernel's lines of the last hour, the register of hung probes, what health
    found, and the PCI config of the job's GPUs. `calm`: nothing that a check would have to judge, but for the last.
    """

    def __init__(self, node: "Node", found: "Resolution", state: "State", *, spoke: "bool") -> "None":
        self.found = found
        self.has_gpus = bool(found.gpus or found.unresolved)
        held = {gpu["uuid"] for gpu in found.gpus}
        # What could not be believed slows nobody down: any user can make the kernel print such lines.
        self.kernel = [
            event
            for event in state.recent
            if event["kind"] != UNBELIEVED and (event.get("gpu_uuid") is None or event["gpu_uuid"] in held)
        ]
        self.hang = register.hang_fact(node.places, node.clock)
        self.site = os.path.isdir(node.places.site_checks)
        self.pci: "Dict[str, Dict[str, Any]]" = {}
        before = known.load(node.places)
        self.known = [one for one in before.findings if one.outcome == FAIL and one.gpu_uuid in {None, *held}]
        # A reading from before the driver spoke last says nothing of what it spoke about, whichever hook read that.
        of_all = int((before.gpus_mono or 0.0) * 1000000)
        since = max(state.driver_us, int((node.clock.mono() - known.FRESH) * 1000000))
        heard = all(max(of_all, state.heard.get(uuid, 0)) >= since for uuid in held)
        fresh = before.gpus_mono is not None and heard and not (found.unresolved or spoke)
        of_gpus = [one for one in self.known if one.gpu_uuid is not None]
        serious = [event for event in self.kernel if event.get("action") not in NOBODY]
        self.ask = self.has_gpus and bool(not fresh or of_gpus or serious)
        hung = self.has_gpus and self.hang and self.hang.get("verdict")
        self.calm = not (self.ask or self.known or self.site or hung or (self.has_gpus and self.kernel))

    def look_at_bus(self, node: "Node") -> "bool":
        """Whether every GPU of the job answers there. With the book closed: the kernel may let this wait."""
        self.pci = pci.read_all(node.places, [gpu["bus_id"] for gpu in self.found.gpus])
        return all(pci.is_there(told) for told in self.pci.values())


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
        seen = Seen(node, found, book.state, spoke=spoke)
        if seen.calm:
            finish(node, book, stock)
        else:
            book.commit()
    well = seen.look_at_bus(node)
    if seen.calm and well:
        return 0, ""
    return _judge(node, book, job, stock, seen)


def _judge(
    node: "Node", book: "Book", job: "JobRun", stock: "Optional[Dict[str, Any]]", seen: "Seen"
) -> "Tuple[int, str]":
    """The slow path. The driver is not waited for where what is known keeps the job off already."""
    from aami_slurm import frame
    from aami_slurm.conclude import conclude, decide
    from aami_slurm.looking import Look

    look = Look(node, book, stock, with_gpus=False)
    _tell(look.facts, job, seen)
    ours = set(frame.names(node.phase, with_gpus=seen.ask))
    stored = frame.of_known(node, [one for one in seen.known if one.check not in ours])
    judged = look.judge() + stored
    if seen.ask and decide(node, book.state, judged, look.facts.job_gpus).verdict != BLOCKS:
        look = Look(node, book, stock, with_gpus=True)
        _tell(look.facts, job, seen)
    if look.with_gpus or seen.site:
        look.start(min(PROBE, node.left(TARGET - RESERVE)))
        look.wait(node.left(TARGET - RESERVE))
        if "gpus" in look.facts.trouble:  # no answer takes back what health found
            stored = frame.of_known(node, seen.known)
        judged = look.judge() + stored
    facts = look.facts
    conclusion = conclude(node, book, judged, facts.job_gpus, stock=look.stock, reading=facts.gpus)
    return (BLOCK, conclusion.words) if conclusion.blocks else (0, "")


def _tell(facts: "Facts", job: "JobRun", seen: "Seen") -> "None":
    facts.job = job
    # GPUs that could not be told which they are may be any: then the node's fault is what counts, and nothing blocks.
    facts.job_gpus = None if seen.found.unresolved else frozenset(gpu["uuid"] for gpu in seen.found.gpus)
    facts.kernel, facts.pci, facts.hang = seen.kernel, seen.pci, seen.hang
