"""What all hooks do with the book open: read what the kernel said, and at the end time, journal and metrics."""

import os

from aami_slurm.book import Busy, Unwritable
from aami_slurm.hook import LATE, Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from aami_slurm.book import Book
    from aami_slurm.node import Node
    from aami_slurm.told import Told


def finish(
    node: "Node", book: "Book", stock: "Optional[Dict[str, Any]]", told: "Optional[Told]" = None
) -> "None":
    """With the book open: the last thing a hook does. What it told is remembered once the journal has it."""
    from aami_slurm import textfile

    book.note_hook(node.phase, node.clock.mono() - node.began)
    trouble = book.commit()
    page = textfile.render(book.state, stock, node.settings, node.clock.wall())
    trouble = trouble or textfile.write(node.places, node.settings, page)
    if told:
        told.save()
    if trouble:
        _complain(node, book, trouble)


def _complain(node: "Node", book: "Book", words: "str") -> "None":
    """Into the journal, once for each kind of trouble: a missing folder of node_exporter is there at every hook."""
    from aami_slurm.told import Told

    told = Told(node.places)
    if told.trouble(words):
        book.event("error", what="hook", phase=node.phase, words=words)
        book.commit()
        told.save()


START, END = "start", "end"
NEWS = 60.0  # seconds
BOOTING = 900.0  # seconds: until then a boot's first lines are news
SPOOL = "/spool"  # below the run folder; made when it is first needed


class opened:  # noqa: N801 - used as a verb: `with opened(node, book, START):`
    """The open book of a job's hook. Where another process keeps the lock too long, or the disk takes nothing, what
    this hook has to say about its job is left on tmpfs for the next one, and the hook ends.
    """

    def __init__(self, node: "Node", book: "Book", op: "str") -> "None":
        self._node = node
        self._book = book
        self._op = op

    def __enter__(self) -> "Book":
        try:
            return self._book.open(self._node.patience).__enter__()
        except (Busy, Unwritable) as error:
            raise self._left(error) from None

    def __exit__(self, *exception: "object") -> "None":
        self._book.__exit__(*exception)
        error = exception[1]
        if isinstance(error, Unwritable):
            raise self._left(error) from None

    def _left(self, error: "BaseException") -> "Stop":
        from aami_slurm import spool

        spool.leave(self._node.places, self._node.clock, self._op, os.environ)
        return Stop(LATE, "%s: this job's %s is kept for the next hook" % (error, self._op))


def take_left(book: "Book", stock: "Optional[Dict[str, Any]]") -> "None":
    """Write down what hooks before this one, or before this boot, could not."""
    if not book.state.ledger.begun:
        from aami_slurm import repair

        repair.repair(book, book.places)  # the first hook of this boot, whichever it is
    if os.path.isdir(book.places.run + SPOOL):
        from aami_slurm import spool

        spool.take(book, stock)


def take_known(book: "Book", node: "Node", stock: "Optional[Dict[str, Any]]") -> "bool":
    """Read new kernel records; whether the driver said anything. Without an inventory they stay unread, since nothing
    could be told of which GPU they speak: the first look at the GPUs is followed by a read.
    """
    if stock is None:
        return True
    from aami_slurm import kernel_log

    spoke = kernel_log.take(book, node.places.below(node.settings.kmsg), stock).driver_lines
    _begin_generation(book, node)
    return spoke


def _begin_generation(book: "Book", node: "Node") -> "None":
    """Other settings judge what comes from now on: what was before them was judged by those before. So it is where a
    journal begins long after the boot: it was lost, or we came late, and old lines are history. A line of the last
    minute is news to both.
    """
    current, ours = book.state.journal.generation, node.settings.generation
    if current == ours:
        return
    old = [
        event["seq"] for event in book.state.recent if event["mono_us"] < (node.clock.mono() - NEWS) * 1000000
    ]
    late = current is not None or node.clock.mono() > BOOTING
    covers = {"covers": max(old)} if late and old else {}
    words = "settings and code of generation %s judge from here on" % ours
    book.event("generation", generation=ours, before=current, words=words, **covers)
