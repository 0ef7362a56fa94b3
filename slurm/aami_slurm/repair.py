"""What the boots before this one left open: job runs without an end, and lines that a power cut tore. Once a boot."""

import os

from aami_slurm.clock import stamp
from aami_slurm.files import Unwritable
from aami_slurm.log import Log, boot, segments
from aami_slurm.snapshot import fold
from aami_slurm.state import OF_THE_JOB, Journal, Ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Set

    from aami_slurm.book import Book
    from aami_slurm.places import Places


def repair(book: "Book", places: "Places") -> "None":
    """With the book open; `commit` afterwards. Runs of this boot are left alone: their epilogs may still come."""
    if book.state.ledger.begun:
        return
    try:
        _repair(book, places)
    except OSError as error:
        raise Unwritable(error, places.state) from None


def _repair(book: "Book", places: "Places") -> "None":
    done, mended = set(book.state.ledger.boots), set(book.state.ledger.mended)
    found: "Dict[str, Ledger]" = {}
    before = _boots((places.ledger, places.journal), book.boot_id)
    for name in before:
        if name not in done:
            found[name] = ledger = _tell_torn(book, places, name)
            done.update(ledger.boots)  # what that boot had repaired already
            mended.update(ledger.mended)
    for name, ledger in found.items():
        _end_runs(book, name, ledger, mended)
    book.entry("boot", time=stamp(book.clock.wall()), repaired=sorted(done.union(before)))


def _boots(folders: "Iterable[str]", own: "str") -> "List[str]":
    """The other boots that have segments here, the latest first."""
    latest: "Dict[str, float]" = {}
    for folder in folders:
        for name in segments(folder):
            if boot(name) != own:
                changed = os.stat(folder + "/" + name).st_mtime
                latest[boot(name)] = max(changed, latest.get(boot(name), 0.0))
    return sorted(latest, key=lambda name: latest[name], reverse=True)


def _end_runs(book: "Book", of_boot: "str", ledger: "Ledger", mended: "Set[str]") -> "None":
    for name, run in ledger.runs.items():
        if run["end_mono_us"] is None and "%s %s" % (of_boot, name) not in mended:
            book.entry(
                "end",
                of_boot=of_boot,
                **{known: run.get(known) for known in ("cluster", *OF_THE_JOB)},
                start=run.get("start"),
                start_mono_us=run.get("start_mono_us"),
                end=None,
                end_mono_us=None,
                exit={"code": None, "signal": None, "raw": None, "known": False},
                ended_by="boot-end",
                repaired=True,
            )


def _tell_torn(book: "Book", places: "Places", of_boot: "str") -> "Ledger":
    """The ledger as that boot left it; what was torn in it or in the journal is told."""
    journal, ledger = Log(places.journal, of_boot), Log(places.ledger, of_boot)
    fold(journal, Journal)
    told = fold(ledger, Ledger)
    for name, log in (("journal", journal), ("ledger", ledger)):
        if log.damage:
            where = dict(log.damage[0].to_dict(), pieces=len(log.damage))
            book.event("error", what="torn-line", log=name, of_boot=of_boot, **where)
    return told
