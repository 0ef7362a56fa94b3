"""A job run begins and ends in the ledger: whose, on which GPUs, and which entry an epilog is about."""

from aami_slurm import gpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from aami_slurm.book import Book
    from aami_slurm.gpus import Resolution
    from aami_slurm.job import JobRun


def begin(book: "Book", job: "JobRun", stock: "Optional[Dict[str, Any]]") -> "Resolution":
    """Queue the entry of a run, with the book open; its GPUs, as far as the inventory knows them."""
    found = gpus.resolve(job, stock)
    book.start_run(job, found.gpus, found.unresolved)
    return found


def end(book: "Book", job: "JobRun") -> "str":
    """Queue the end of the run that this epilog is about; its key in the ledger."""
    key = of_epilog(job, book.state.runs)
    book.end_run(key or job, job.exit_code)
    return key or job.key


def of_epilog(job: "JobRun", runs: "Dict[str, Dict[str, Any]]") -> "Optional[str]":
    """The key of the run that ends. Slurm reads the restart count when it sends the epilog, and a requeued job has the
    next run's by then: so it is the job's open run, or the one of the same SLUID where Slurm tells it.
    """
    mine = [(key, run) for key, run in runs.items() if run["job_id"] == job.job_id]
    for key, run in mine:
        if job.sluid and run.get("sluid") == job.sluid:
            return key
    is_open = [
        (run["start_mono_us"] or 0, key)
        for key, run in mine
        # Never a later run than the epilog knows of: one that is sent twice would end the run after it.
        if run["end_mono_us"] is None and (run["restart"] < job.restart or key == job.key)
    ]
    return max(is_open)[1] if is_open else None
