"""What journal and ledger of this boot add up to. Folded line by line, in the order of their numbers, each line once."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    Line = Dict[str, Any]

MICRO = 1000000
GRACE_US = 30 * MICRO  # after a job's end the kernel may still speak about it
HOUR_US = 3600 * MICRO
DAY_US = 24 * HOUR_US
KEPT = 128  # kernel events of the last hour
KEPT_ALIKE = 8  # of one kind and code on one GPU: a storm must not push out what happened once
OF_THE_JOB = ("job_id", "restart", "sluid", "het_job_id", "user", "uid", "account", "partition")
ENDED = 256  # runs known to have ended, so that a second epilog says nothing


class Journal:
    """The journal's part. `cursor` is the kernel's number of the newest record seen, None before the first."""

    def __init__(self, told: "Optional[Line]" = None) -> "None":
        told = told or {}
        self.seq: "int" = told.get("seq", 0)
        self.cursor: "Optional[int]" = told.get("cursor")
        # Evidence that has had its consequence: all up to a number, and beyond it by `finding.subject`.
        self.covered_seq: "int" = told.get("covered_seq", 0)
        self.covered: "Dict[str, int]" = told.get("covered", {})
        self.totals: "Dict[str, Dict[str, int]]" = told.get("totals", {})  # of Xids: gpu_uuid, then code
        self.generation: "Optional[str]" = told.get("generation")  # of settings and code that judged last
        self.lost: "int" = told.get("lost", 0)  # kernel records that were overwritten before we read them
        self.trouble: "Optional[str]" = told.get("trouble")  # why the kernel log can't be read
        self.recent: "List[Line]" = told.get("recent", [])
        self.forged: "List[int]" = told.get("forged", [0, 0])  # an hour, and how many false reports it had

    def to_dict(self) -> "Line":
        return {name: getattr(self, name) for name in sorted(vars(self))}

    def apply(self, event: "Line") -> "None":
        """Count an event; one that was counted changes nothing."""
        if event["seq"] <= self.seq:
            return
        self.seq = event["seq"]
        covers = event.get("covers")
        if isinstance(covers, int):
            self.covered_seq = max(self.covered_seq, covers)
            self.covered = {name: seq for name, seq in self.covered.items() if seq > self.covered_seq}
        elif isinstance(covers, dict):
            for name, seq in covers.items():
                if isinstance(seq, int):
                    self.covered[name] = max(self.covered.get(name, 0), seq)
        if event["kind"] == "generation":
            self.generation = event.get("generation")
        if event.get("what") == "kernel-log":
            self.trouble = event["words"] if event["kind"] == "error" else None
        if isinstance(event.get("kernel_seq"), int):
            self.see(event["kernel_seq"])
            self.lost += event.get("lost", 0)
            if event["kind"] != "error":
                self._kernel(event, event["kind"])

    def see(self, kernel_seq: "int") -> "None":
        """The kernel's records up to this one are dealt with."""
        self.cursor = kernel_seq if self.cursor is None else max(self.cursor, kernel_seq)

    def _kernel(self, event: "Line", kind: "str") -> "None":
        if kind == "xid":
            counts = self.totals.setdefault(event["gpu_uuid"], {})
            counts[str(event["code"])] = counts.get(str(event["code"]), 0) + 1
        if kind == "unattributed" and event["would_be"] is None:
            hour = event["mono_us"] // HOUR_US
            self.forged = [hour, 1 + (self.forged[1] if self.forged[0] == hour else 0)]
        self._remember(event)

    def _remember(self, event: "Line") -> "None":
        uuid, code, kind = event.get("gpu_uuid"), event.get("code"), event["kind"]
        self.recent.append(event)
        alike = [
            place
            for place, one in enumerate(self.recent)
            if one.get("gpu_uuid") == uuid and one.get("code") == code and one["kind"] == kind
        ]
        if len(alike) > KEPT_ALIKE:
            del self.recent[alike[0]]
        del self.recent[:-KEPT]

    def forget(self, now_us: "int") -> "None":
        """Drop what is older than an hour."""
        self.recent = [event for event in self.recent if event["mono_us"] > now_us - HOUR_US]


class Ledger:
    """The ledger's part: runs by `job_id.restart`, open or ended not long ago; and which boots were repaired."""

    def __init__(self, told: "Optional[Line]" = None) -> "None":
        told = told or {}
        self.seq: "int" = told.get("seq", 0)
        self.runs: "Dict[str, Line]" = told.get("runs", {})
        self.ended: "List[str]" = told.get("ended", [])
        self.mended: "List[str]" = told.get(
            "mended", []
        )  # `boot_id job_id.restart` of runs we ended for another boot
        self.boots: "List[str]" = told.get("boots", [])  # boots that need no repair any more
        self.begun: "bool" = told.get("begun", False)  # this boot looked after the ones before

    def to_dict(self) -> "Line":
        return {name: getattr(self, name) for name in sorted(vars(self))}

    def apply(self, entry: "Line") -> "None":
        """Take an entry in; one that was taken in changes nothing."""
        if entry["seq"] <= self.seq:
            return
        self.seq = entry["seq"]
        action = {"start": self._start, "end": self._end, "resolve": self._resolve, "boot": self._boot}
        if entry["op"] in action:
            action[entry["op"]](entry)

    def _start(self, entry: "Line") -> "None":
        run = {name: value for name, value in entry.items() if name not in {"schema", "op", "seq"}}
        run["end"] = run["end_mono_us"] = None
        self.runs[key(entry)] = run
        self.ended = [one for one in self.ended if one != key(entry)]

    def _end(self, entry: "Line") -> "None":
        if "of_boot" in entry:
            self.mended.append("%s %s" % (entry["of_boot"], key(entry)))
            return
        run = self.runs.get(key(entry))
        if run is not None:
            run["end"], run["end_mono_us"] = entry["end"], entry["end_mono_us"]
        self.ended = [*self.ended, key(entry)][-ENDED:]

    def _resolve(self, entry: "Line") -> "None":
        run = self.runs.get(key(entry))
        if run is not None:
            run["gpus"], run["unresolved"] = entry["gpus"], entry["unresolved"]

    def _boot(self, entry: "Line") -> "None":
        self.begun = True
        self.boots = (self.boots + [boot for boot in entry["repaired"] if boot not in self.boots])[-ENDED:]
        self.mended = [one for one in self.mended if one.partition(" ")[0] not in self.boots]

    def forget(self, now_us: "int", read_us: "int") -> "None":
        """Drop ended runs that no kernel record can be about any more: it was read beyond their grace."""
        over = [name for name, run in self.runs.items() if run["end_mono_us"] is not None]
        over.sort(key=lambda name: int(self.runs[name]["end_mono_us"]))
        late = max(read_us - GRACE_US, now_us - DAY_US)
        for place, name in enumerate(over):
            if self.runs[name]["end_mono_us"] < late or place < len(over) - ENDED:
                del self.runs[name]


def index_of(gpu: "Line") -> "Optional[int]":
    """The number people know a GPU by: nvidia-smi's, else Slurm's."""
    index: "Optional[int]" = gpu.get("nvml_index")
    return gpu.get("slurm_index") if index is None else index


def key(entry: "Line") -> "str":
    return "%s.%d" % (entry["job_id"], entry["restart"])


class State:
    """Both parts, and what only the snapshot knows: the last hook runs and check results, how far the kernel log was
    read, and how far its clock is from ours.
    """

    def __init__(
        self,
        journal: "Optional[Line]" = None,
        ledger: "Optional[Line]" = None,
        notes: "Optional[Line]" = None,
    ) -> "None":
        notes = notes or {}
        self.journal = Journal(journal)
        self.ledger = Ledger(ledger)
        self.hooks: "Dict[str, Line]" = notes.get("hooks", {})
        self.checks: "Dict[str, Line]" = notes.get("checks", {})
        self.read_us: "Optional[int]" = notes.get("read_us")
        self.skew_us: "int" = notes.get("skew_us", 0)
        self.driver_us: "int" = notes.get("driver_us", 0)  # when the driver said something last, or may have
        self.heard: "Dict[str, int]" = notes.get("heard", {})  # when a job's hook had a reading of a GPU last

    def notes(self) -> "Line":
        names = ("hooks", "checks", "read_us", "skew_us", "driver_us", "heard")
        return {name: getattr(self, name) for name in names}

    def forget(self, now_us: "int") -> "None":
        self.journal.forget(now_us)
        self.ledger.forget(now_us, self.read_us or 0)

    @property
    def seq(self) -> "int":
        return self.journal.seq

    @property
    def cursor(self) -> "Optional[int]":
        return self.journal.cursor

    @property
    def covered_seq(self) -> "int":
        return self.journal.covered_seq

    @property
    def covered(self) -> "Dict[str, int]":
        return self.journal.covered

    @property
    def totals(self) -> "Dict[str, Dict[str, int]]":
        return self.journal.totals

    @property
    def recent(self) -> "List[Line]":
        return self.journal.recent

    @property
    def lost(self) -> "int":
        return self.journal.lost

    @property
    def runs(self) -> "Dict[str, Line]":
        return self.ledger.runs
