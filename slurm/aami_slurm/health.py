"""The look at the whole node, from slurmd's HealthCheckProgram or a timer. A run that overlaps another ends at once.

Kernel log and sysfs each time. The driver each time on an idle node, at the set interval while jobs run, and never
while a job of a quiet partition does.
"""

from aami_slurm import frame, inventory, kernel_log, known, lock, policy, register
from aami_slurm.book import Book
from aami_slurm.conclude import conclude
from aami_slurm.ending import take_known, take_left
from aami_slurm.files import write_atomic
from aami_slurm.gather import GPUS, may_have_gpus
from aami_slurm.hook import LATE, Stop
from aami_slurm.looking import Look
from aami_slurm.probe import ANSWERED
from aami_slurm.probes import pci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from aami_slurm.finding import Finding
    from aami_slurm.frame import Judged
    from aami_slurm.known import Known
    from aami_slurm.node import Node

BUDGET = 36.0  # for all probes together; the control probe and a drain come after
CONTROL = 3.0
INTERVAL = 300.0  # between questions to the driver while jobs run
LONG = 60.0  # a run that holds the lock for longer has not ended as it should
BEGAN = "/health.began"
BOOTING = 900.0  # seconds: until then a driver that is not there may still come


def run(node: "Node") -> "Tuple[int, str]":
    """(exit status, line for slurmd's log). Slurm ignores the status."""
    held = lock.held(node.places.run + "/health.lock", 0, node.clock)
    try:
        held.__enter__()
    except lock.Busy:
        return _before_us(node)
    try:
        _mark(node)
        _look(node)
    except lock.Busy as busy:
        raise Stop(LATE, "nothing was looked at: %s" % busy) from None
    finally:
        held.__exit__()
    return 0, ""


def _mark(node: "Node") -> "None":
    """Since when this run is at it, for the next one."""
    write_atomic(node.places.run + BEGAN, b"%d" % node.clock.mono(), fsync=False, alone=True)


def _before_us(node: "Node") -> "Tuple[int, str]":
    """The run before this one is still at it, which is nothing to speak of unless it is stuck."""
    try:
        with open(node.places.run + BEGAN, "rb") as source:
            since = node.clock.mono() - int(source.read(32))
    except (OSError, ValueError):
        return 0, ""
    if since < LONG:
        return 0, ""
    return LATE, "nothing was looked at: an earlier health run holds its lock for %d s now" % since


def _look(node: "Node") -> "None":
    stock = inventory.load(node.places, node.boot_id)
    before = known.load(node.places)
    book = Book(node.places, node.clock, node.name, node.settings.cluster, node.boot_id)
    with book.open(node.patience):
        take_left(book, stock)
        spoke = take_known(book, node, stock)
        book.commit()
        runs = [one for one in book.state.runs.values() if one["end_mono_us"] is None]
        spoke = spoke or book.state.driver_us > (before.gpus_mono or 0.0) * 1000000
    ask = may_have_gpus(node, stock) and _driver_is_due(node, runs, before, spoke=spoke)
    look = Look(node, book, stock, with_gpus=ask)
    look.facts.neighbours = runs
    look.start(BUDGET)
    look.gathering.start_host(look.plan)
    look.wait(node.left(BUDGET))
    look.facts.hang = _hang(node, look) if ask else register.hang_fact(node.places, node.clock)
    look.facts.pci = pci.read_all(node.places, [gpu["bus_id"] for gpu in (look.stock or {}).get("gpus", [])])
    with book.open(node.patience):
        if stock is None:
            _read_at_last(node, book, look)
        look.facts.kernel = list(book.state.recent)
    judged = look.judge()
    now = _known(judged, before, look, ask=ask)
    if not ask:
        judged += frame.of_known(node, _of_the_driver(before))
    known.save(node.places, now)
    conclude(node, book, judged, None, stock=look.stock)


def _read_at_last(node: "Node", book: "Book", look: "Look") -> "None":
    """What was left unread until there is an inventory. Where none can be had it is read all the same, as lines of
    GPUs that nobody knows; but not while the driver may still be on its way.
    """
    if look.stock is None and may_have_gpus(node, None) and node.clock.mono() < BOOTING:
        return
    if look.stock is not None:
        take_known(book, node, look.stock)
    else:
        kernel_log.take(book, node.places.below(node.settings.kmsg), None)
    book.commit()


def _driver_is_due(node: "Node", runs: "List[Dict[str, Any]]", before: "Known", *, spoke: "bool") -> "bool":
    """Whether this run asks the driver. A line of the driver's own is a reason to ask before the interval is over."""
    quiet = policy.quiet_partitions(node.settings.policy)
    if any(one.get("partition") in quiet for one in runs):
        return False
    if not runs or spoke or before.gpus_mono is None or known.is_owed(node.places):
        return True
    interval = policy.interval(node.settings.policy, node.name, "driver-answers", INTERVAL)
    return node.clock.mono() - before.gpus_mono >= interval


def _hang(node: "Node", look: "Look") -> "Dict[str, Any]":
    """The register's verdict after this look. A driver that did not answer is compared with a control probe, which
    reads the same library and program and leaves the device alone.
    """
    from aami_slurm.gather import busy, library, reader
    from aami_slurm.probe import Probes

    answer = look.gathering.answers[GPUS]
    control = None
    if answer.kind != ANSWERED:
        control = Probes(node.places, node.clock).run("control", reader("control"), library(node), CONTROL)
    held = busy(node) if answer.kind != ANSWERED else None
    return register.look(node.places, node.clock, answer, control, held)


def _known(judged: "List[Judged]", before: "Known", look: "Look", *, ask: "bool") -> "Known":
    """What the prolog may rely on: findings that rest on live readings. Those on journalled lines it judges itself."""
    standing = [finding for one in judged for finding in one.findings if not finding.evidence.get("seq")]
    if not ask:
        standing += _of_the_driver(before)
    reading: "Optional[Dict[str, Any]]" = look.facts.gpus if ask else None
    mono = before.gpus_mono if reading is None else reading["mono_us"] / 1e6
    return known.Known(mono, standing)


def _of_the_driver(before: "Known") -> "List[Finding]":
    """What the last reading of the driver found: it stands until there is a newer one."""
    asked = set(frame.names("health", with_gpus=True)) - set(frame.names("health", with_gpus=False))
    return [finding for finding in before.findings if finding.check in asked]
