"""Journal and ledger of this boot under one lock: what hooks remember, and the only way to write it.

The two logs are the truth. What they add up to is kept in a snapshot on tmpfs, so that a hook need not read them; it
may vanish at any time. What a hook says is queued, and written by `commit`: the ledger, the journal, the snapshot.
"""

from aami_slurm import fast_json
from aami_slurm.clock import stamp
from aami_slurm.files import Unwritable
from aami_slurm.lock import Busy, held
from aami_slurm.log import Log, encode
from aami_slurm.snapshot import Snapshot
from aami_slurm.state import MICRO, OF_THE_JOB, State
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

    from aami_slurm.clock import Clock
    from aami_slurm.job import JobRun
    from aami_slurm.log import Line
    from aami_slurm.places import Places
    from aami_slurm.state import Journal, Ledger

__all__ = ["Book", "Busy", "Unwritable"]

EVENT, ENTRY = "aami.event/1", "aami.ledger/1"
LONGEST = 8192  # bytes of a line
LONGEST_VALUE = 1024  # of one value in a line that is too long
LONGEST_WORDS = 200
LONGEST_TOLD = 4096  # characters of what Slurm said about a job's GPUs
LAST_SIGNAL = 31  # that ends programs by itself
MOST_CHECKS = 256
MOST_NAMES = 64
NO_JSON = (TypeError, ValueError, OverflowError, RecursionError)


class Book:
    """`with book.open(wait_s):` holds the lock, and the state is there; outside it is as it was at the end."""

    def __init__(
        self, places: "Places", clock: "Clock", node: "str", cluster: "str", boot_id: "str"
    ) -> "None":
        self.places = places
        self.clock = clock
        self.node = node
        self.cluster = cluster
        self.boot_id = boot_id
        self.state = State()
        self._journal = Log(places.journal, boot_id)
        self._ledger = Log(places.ledger, boot_id)
        self._snapshot = Snapshot(places.run, boot_id)
        self._events: "List[bytes]" = []
        self._entries: "List[bytes]" = []
        self._wait_s = 0.0
        self._lock: "Optional[held]" = None

    def open(self, wait_s: "float") -> "Book":
        """For a `with`, which raises Busy when another process keeps the lock, Unwritable when the disk refuses."""
        self._wait_s = wait_s
        return self

    def __enter__(self) -> "Book":  # noqa: PYI034 - Python 3.6 has no Self
        lock = held(self.places.run + "/lock", self._wait_s, self.clock)
        try:
            lock.__enter__()
        except OSError as error:
            raise Unwritable(error, self.places.run) from None
        self._lock = lock
        try:
            self._load()
        except BaseException as error:
            self.__exit__()
            if isinstance(error, OSError):
                raise Unwritable(error, self.places.state) from None
            raise
        return self

    def __exit__(self, *_exception: "object") -> "None":
        self._events, self._entries = [], []
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.__exit__()

    # --- what hooks say ---------------------------------------------------------------------------------

    def event(self, kind: "str", **fields: "Any") -> "Line":
        """Queue an event of the journal. `covers=N` says that events up to N have had their consequence."""
        now, mono = self.clock.wall(), self.clock.mono()
        event: "Line" = {
            "schema": EVENT, "node": self.node, "boot_id": self.boot_id, "seq": self.state.seq + 1,
            "time": stamp(now), "time_kind": "wall", "mono_us": int(mono * MICRO), "kind": kind,
        }  # fmt: skip
        event.update((name, value) for name, value in fields.items() if name not in {"schema", "seq"})
        self._events.append(_bounded(event))
        self.state.journal.apply(event)
        return event

    def cover(self, seq: "int", **fields: "Any") -> "Line":
        """Say that the evidence up to this number has had its consequence."""
        return self.event("decision", covers=seq, **fields)

    def entry(self, op: "str", **fields: "Any") -> "Line":
        """Queue an entry of the ledger."""
        entry: "Line" = {
            "schema": ENTRY, "node": self.node, "boot_id": self.boot_id, "seq": self.state.ledger.seq + 1, "op": op,
        }  # fmt: skip
        entry.update(fields)
        self._entries.append(encode(entry))
        self.state.ledger.apply(entry)
        return entry

    def start_run(
        self, job: "JobRun", gpus: "List[Dict[str, Any]]", unresolved: "Iterable[str]" = ()
    ) -> "Line":
        """A job run began here. `unresolved` are the names that no GPU was found for.

        Said twice, it counts once; what the second call knows better is kept.
        """
        if job.job_id is None:
            raise ValueError("a job run without a job id")
        run = self.state.runs.get(job.key)
        if run is None or run["end_mono_us"] is not None:
            now, mono = self.clock.wall(), self.clock.mono()
            told = {"gpus_told": _cut(job.gpus_told), "visible": _cut(job.visible)}
            names = list(unresolved)[:MOST_NAMES]
            self.entry(
                "start",
                cluster=job.cluster or self.cluster,
                **{name: getattr(job, name) for name in OF_THE_JOB},
                start=stamp(now),
                start_mono_us=int(mono * MICRO),
                gpus=gpus,
                unresolved=dict(told, names=names) if names else None,
                **told,
            )
        elif gpus and gpus != run["gpus"]:
            self.resolve_run(job.key, gpus)
        return self.state.runs[job.key]

    def resolve_run(self, name: "str", gpus: "List[Dict[str, Any]]") -> "None":
        """A run that began before there was an inventory: these are its GPUs."""
        run = self.state.runs[name]
        self.entry("resolve", job_id=run["job_id"], restart=run["restart"], gpus=gpus, unresolved=None)

    def end_run(self, job: "Union[JobRun, str]", exit_code: "Optional[str]") -> "None":
        """A job run ended. `job` or its key; a run that is not in the ledger ends there, too. Said twice, counts once."""
        name = job if isinstance(job, str) else job.key
        run = self.state.runs.get(name)
        if (run is None and name in self.state.ledger.ended) or (run and run["end_mono_us"] is not None):
            return
        self.entry(
            "end",
            **_who(run, job, self.cluster),
            end=stamp(self.clock.wall()),
            end_mono_us=int(self.clock.mono() * MICRO),
            exit=exit_of(exit_code),
            repaired=False,
        )

    def note_hook(self, hook: "str", seconds: "float") -> "None":
        """For the metrics only."""
        self.state.hooks[hook] = {"seconds": round(seconds, 6), "time": round(self.clock.wall(), 3)}

    def note_checks(self, results: "Iterable[Tuple[str, str, float]]") -> "None":
        """(check, outcome, seconds) of each, for the metrics only."""
        now = round(self.clock.wall(), 3)
        checks = self.state.checks
        for check, outcome, seconds in results:
            checks[check] = {"outcome": outcome, "seconds": round(seconds, 6), "time": now}
        for check in sorted(checks, key=lambda name: float(checks[name]["time"]))[:-MOST_CHECKS]:
            del checks[check]

    def commit(self, *, last: "bool" = True) -> "Optional[str]":
        """Write what was queued. After it nothing of it is lost; raises Unwritable, and then nothing of it counts.
        Not the `last` of this hook: the snapshot can wait for that one.

        Words when only the snapshot could not be written, or old segments not removed: neither loses anything.
        """
        try:
            # The ledger first: an event may name a run, which must then be known.
            self._write(self._ledger, self._entries, self.state.ledger)
            self._write(self._journal, self._events, self.state.journal)
        except OSError as error:
            raise Unwritable(error, self.places.state) from None
        return (last and self._save()) or self._journal.trouble or self._ledger.trouble

    # --- how it is kept ---------------------------------------------------------------------------------

    def _load(self) -> "None":
        self.state = self._snapshot.restore(self._journal, self._ledger)
        self.state.forget(int(self.clock.mono() * MICRO))
        self._events, self._entries = [], []
        for name, log in (("journal", self._journal), ("ledger", self._ledger)):
            if log.damage:
                told = dict(log.damage[0].to_dict(), pieces=len(log.damage))
                self.event("error", what="torn-line", log=name, **told)
                if log is self._ledger:
                    self.entry("torn", **told)

    def _write(self, log: "Log", queue: "List[bytes]", part: "Union[Journal, Ledger]") -> "None":
        if queue:
            log.append(queue, part.seq - len(queue) + 1, part.to_dict)
            del queue[:]

    def _save(self) -> "Optional[str]":
        try:
            self._snapshot.save(self.state, self._journal, self._ledger)
        except OSError as error:
            return "the snapshot: %s" % error
        return None


def _bounded(event: "Line") -> "bytes":
    """The event's line. What has no form in JSON, or makes it too long, is told in other words, in the event too."""
    try:
        line = encode(event)
        if len(line) <= LONGEST:
            return line
    except NO_JSON:
        pass
    for name, value in event.items():
        event[name] = _small(value)
    return encode(event)


def _small(value: "Any") -> "Any":
    try:
        size = len(fast_json.dumps(value))
    except NO_JSON as error:
        return {"no_json": plain(str(error), LONGEST_WORDS)}
    return value if size <= LONGEST_VALUE else {"cut": size}


def _cut(told: "Optional[str]") -> "Optional[str]":
    return told and told[:LONGEST_TOLD].encode("utf-8", "backslashreplace").decode("utf-8")


def _who(run: "Optional[Line]", job: "Union[JobRun, str]", cluster: "str") -> "Line":
    """Whose end an entry tells: as the run was told at its start, or as well as it is known."""
    if run is not None:
        known = {name: run[name] for name in ("cluster", *OF_THE_JOB, "start", "start_mono_us")}
    elif isinstance(job, str):
        job_id, _, restart = job.partition(".")
        known = {"cluster": cluster, "job_id": int(job_id), "restart": int(restart or 0)}
    else:
        known = {name: getattr(job, name) for name in OF_THE_JOB}
        known["cluster"] = job.cluster or cluster
    return dict({"start": None, "start_mono_us": None}, **known)


def exit_of(told: "Optional[str]") -> "Line":
    """Slurm's `code:signal`. A cancelled job ends with 0:0 as a good one does, so that much is not known; nor what
    0:54 means, which is no signal but how Slurm spells an error of its own when a prolog failed.
    """
    code, _, signal = (told or "").partition(":")
    raw = told and told[:64]
    if not (code.isdecimal() and signal.isdecimal()):
        return {"code": None, "signal": None, "raw": raw, "known": False}
    known = (int(code) or int(signal)) and int(signal) <= LAST_SIGNAL
    return {"code": int(code), "signal": int(signal), "raw": raw, "known": bool(known)}
