"""Slurm's epilog: closes the job's ledger entry, reads what the driver said meanwhile, looks at the GPUs the job had."""

import os

from aami_slurm import gpus, inventory, runs
from aami_slurm.book import Book
from aami_slurm.ending import END, finish, opened, take_known, take_left
from aami_slurm.hook import CONFIG, Stop
from aami_slurm.job import JobRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from aami_slurm.node import Node

BUDGET = 5.0  # for the probe: with a drain of 3 s behind it the hook stays below 8


def run(node: "Node") -> "Tuple[int, str]":
    """(exit status, line for slurmd's log). The status is never "block": there is no job left to keep away."""
    job = JobRun(os.environ, node.settings.cluster)
    if job.job_id is None:
        raise Stop(CONFIG, "no SLURM_JOB_ID: only slurmd calls this")
    stock = inventory.load(node.places, node.boot_id)
    book = Book(node.places, node.clock, node.name, job.cluster, node.boot_id)
    with opened(node, book, END):
        take_left(book, stock)
        key = runs.end(book, job)
        book.commit()
        take_known(book, node, stock)
        held = _held(book.state.runs.get(key), job, stock)
        if held == [] and not os.path.isdir(node.places.site_checks):
            finish(node, book, stock)
            return 0, ""
        book.commit()
    return _look(node, book, job, held, stock)


def _held(
    entry: "Optional[Dict[str, Any]]", job: "JobRun", stock: "Optional[Dict[str, Any]]"
) -> "Optional[List[Dict[str, Any]]]":
    """The job's GPUs: the ledger's word, else what the environment says now; None where nobody can tell which."""
    if entry is not None and entry.get("gpus"):
        return list(entry["gpus"])
    found = gpus.resolve(job, stock)
    return None if found.unresolved else found.gpus


def _look(
    node: "Node",
    book: "Book",
    job: "JobRun",
    held: "Optional[List[Dict[str, Any]]]",
    stock: "Optional[Dict[str, Any]]",
) -> "Tuple[int, str]":
    from aami_slurm import frame, register
    from aami_slurm.conclude import conclude
    from aami_slurm.looking import Look
    from aami_slurm.probes import pci

    plan = frame.Plan(node, frame.names(node.phase, with_gpus=held != []))
    look = Look(node, book, plan, stock)
    facts = look.facts
    facts.job, facts.kernel = job, list(book.state.recent)
    facts.neighbours = [one for one in book.state.runs.values() if one["end_mono_us"] is None]
    facts.job_gpus = None if held is None else frozenset(gpu["uuid"] for gpu in held)
    known = (stock or {}).get("gpus", []) if held is None else held
    facts.pci = pci.read_all(node.places, [gpu["bus_id"] for gpu in known])
    facts.hang = register.hang_fact(node.places, node.clock)
    if held != []:
        look.start_gpus(BUDGET)
    look.gathering.start_site(facts)
    look.wait(BUDGET)
    conclude(node, book, look.judge(), facts.job_gpus)
    with book.open(node.patience):
        finish(node, book, look.stock)
    return 0, ""
