"""Slurm's epilog: closes the job's ledger entry, reads what the driver said meanwhile, looks at the GPUs the job had.

The GPUs are asked first: the answer takes as long as writing down does.
"""

import os

from aami_slurm import gpus, inventory, runs
from aami_slurm.book import Book
from aami_slurm.ending import END, finish, opened, take_known, take_left
from aami_slurm.hook import CONFIG, Stop
from aami_slurm.job import JobRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    from aami_slurm.looking import Look
    from aami_slurm.node import Node

BUDGET = 5.0  # for the probe: with a drain of 3 s behind it the hook stays below 8


def run(node: "Node") -> "Tuple[int, str]":
    """(exit status, line for slurmd's log). The status is never "block": there is no job left to keep away."""
    job = JobRun(os.environ, node.settings.cluster)
    if job.job_id is None:
        raise Stop(CONFIG, "no SLURM_JOB_ID: only slurmd calls this")
    stock = inventory.load(node.places, node.boot_id)
    book = Book(node.places, node.clock, node.name, job.cluster, node.boot_id)
    look = _started(node, book, job, stock)
    try:
        _write_down(node, book, job, stock, end=look is None)
    except BaseException:
        if look is not None:
            look.wait(0)  # nobody will hear the answer: end what was asked
        raise
    if look is not None:
        _judge(book, look)
    return 0, ""


def _started(
    node: "Node", book: "Book", job: "JobRun", stock: "Optional[Dict[str, Any]]"
) -> "Optional[Look]":
    """The look, with its probes under way; None for a job without GPUs on a node without checks of the site's own."""
    found = gpus.resolve(job, stock)
    had_gpus = bool(found.gpus or found.unresolved)
    if not had_gpus and not os.path.isdir(node.places.site_checks):
        return None
    from aami_slurm.looking import Look

    look = Look(node, book, stock, with_gpus=had_gpus)
    look.facts.job = job
    # GPUs that can't be told which they are may be any of the node's.
    look.facts.job_gpus = None if found.unresolved else frozenset(gpu["uuid"] for gpu in found.gpus)
    look.start(BUDGET)
    return look


def _write_down(
    node: "Node", book: "Book", job: "JobRun", stock: "Optional[Dict[str, Any]]", *, end: "bool"
) -> "None":
    """The end of the run, and what the kernel said. `end`: that is all there is to do."""
    with opened(node, book, END):
        take_left(book, stock)
        runs.end(book, job)
        book.commit(last=False)
        take_known(book, node, stock)
        if end:
            finish(node, book, stock)
        else:
            book.commit()  # how far the kernel's log was read is in the snapshot alone where no line was of interest


def _judge(book: "Book", look: "Look") -> "None":
    from aami_slurm import register
    from aami_slurm.conclude import conclude
    from aami_slurm.probes import pci

    node, facts = look.node, look.facts
    facts.kernel = list(book.state.recent)
    facts.neighbours = [one for one in book.state.runs.values() if one["end_mono_us"] is None]
    held = facts.job_gpus
    known = (look.stock or {}).get("gpus", [])
    facts.pci = pci.read_all(
        node.places, [gpu["bus_id"] for gpu in known if held is None or gpu["uuid"] in held]
    )
    facts.hang = register.hang_fact(node.places, node.clock)
    look.load()
    look.wait(node.left(BUDGET))
    conclude(node, book, look.judge(), facts.job_gpus, stock=look.stock, reading=facts.gpus)
