"""What a hook could not write because another process kept the lock: left beside, on tmpfs, with its time, and taken
into the ledger by the next hook that gets the lock. So a disk that hangs for a minute costs no job its entry.
"""

import os

from aami_slurm import fast_json, runs
from aami_slurm.ending import END, SPOOL
from aami_slurm.job import JobRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional

    from aami_slurm.book import Book
    from aami_slurm.clock import Clock
    from aami_slurm.places import Places

LARGEST = 1 << 16
MOST = 4096  # files: a node whose lock never comes free again forgets the rest
NAMES = (
    "SLURM_CLUSTER_NAME", "SLURM_JOB_ID", "SLURM_JOBID", "SLURM_JOB_RESTART_COUNT", "SLURM_JOB_SLUID",
    "SLURM_HET_JOB_ID", "SLURM_JOB_USER", "SLURM_JOB_UID", "SLURM_JOB_ACCOUNT", "SLURM_JOB_PARTITION",
    "SLURM_JOB_GPUS", "CUDA_VISIBLE_DEVICES", "SLURM_JOB_EXIT_CODE2",
)  # fmt: skip


class Then:
    """The clock of a moment that is over."""

    def __init__(self, wall: "float", mono: "float") -> "None":
        self._wall = wall
        self._mono = mono

    def wall(self) -> "float":
        return self._wall

    def mono(self) -> "float":
        return self._mono


def leave(places: "Places", clock: "Clock", op: "str", environ: "Mapping[str, str]") -> "None":
    """Put down that a run began or ended now. OSError where not even that can be written."""
    from aami_slurm.files import make_folder, write_atomic

    folder = _folder(places)
    make_folder(folder, 0o700)
    if len(os.listdir(folder)) >= MOST:
        return
    told = {"op": op, "wall": clock.wall(), "mono": clock.mono()}
    told["environ"] = {name: environ[name] for name in NAMES if name in environ}
    name = "%020d-%d.json" % (int(clock.mono() * 1000000), os.getpid())
    write_atomic(folder + "/" + name, fast_json.dumps(told).encode("ascii"), fsync=False)


def take(book: "Book", stock: "Optional[Dict[str, Any]]") -> "int":
    """With the book open: write down what was left, and commit it; how many there were."""
    folder = _folder(book.places)
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except FileNotFoundError:
        return 0
    now = book.clock
    for name in names:
        told = _read(folder + "/" + name)
        if told:
            book.clock = told["then"]
            try:
                _apply(book, told["op"], told["job"], stock)
            finally:
                book.clock = now
    if names:
        book.commit()
        _forget(folder, names)
    return len(names)


def _apply(book: "Book", op: "str", job: "JobRun", stock: "Optional[Dict[str, Any]]") -> "None":
    """Once: a file that was taken in and not removed says nothing new."""
    if op == END:
        runs.end(book, job)
    elif job.key not in book.state.runs and job.key not in book.state.ledger.ended:
        runs.begin(book, job, stock)


def _read(path: "str") -> "Dict[str, Any]":
    """Empty for a file that is gone or garbage."""
    try:
        with open(path, "rb") as source:
            told = fast_json.loads(source.read(LARGEST).decode("ascii"))
        job = JobRun(told["environ"])
        then = Then(float(told["wall"]), float(told["mono"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {"op": told.get("op"), "job": job, "then": then} if job.job_id is not None else {}


def _forget(folder: "str", names: "List[str]") -> "None":
    for name in names:
        _remove(folder + "/" + name)


def _remove(path: "str") -> "None":
    try:  # noqa: SIM105 - contextlib costs a hook more than these lines
        os.unlink(path)
    except OSError:
        pass  # what is no file of ours stays, and says nothing


def _folder(places: "Places") -> "str":
    return places.run + SPOOL
