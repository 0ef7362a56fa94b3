"""Remembers probes from one hook to the next: those nobody could end, how the driver answered lately, the verdict.

Small files on tmpfs, replaced in one step. What they say counts for this boot only, and garbage counts as nothing.
"""

import os

from aami_slurm import fast_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from aami_slurm.clock import Clock
    from aami_slurm.places import Places
    from aami_slurm.probe import Answer

GPUS = "gpus"  # the one probe whose answers are kept: the verdict is about the driver
LARGEST = 64 << 10
_STUCK = "stuck."
_GONE = frozenset("ZXx")


class Life:
    """A living process: the kernel's letter for its state, when it began in clock ticks since boot, its session."""

    __slots__ = ("session", "started", "state")

    def __init__(self, state: "str", session: "int", started: "int") -> "None":
        self.state = state
        self.session = session
        self.started = started


def life(proc: "str", pid: "int") -> "Optional[Life]":
    """What /proc tells of a process, None when it is gone or only waits to be reaped."""
    try:
        with open("%s/%d/stat" % (proc, pid), "rb") as source:
            words = source.read(4096).rpartition(b")")[2].decode("ascii", "replace").split()
        found = Life(words[0], int(words[3]), int(words[19]))
    except (OSError, ValueError, IndexError):
        return None
    return None if found.state in _GONE else found


def lives(proc: "str", pid: "Any", started: "Any") -> "bool":
    """Whether this very process is still there: pids come back, with another start."""
    if not isinstance(pid, int) or not isinstance(started, int):
        return False
    found = life(proc, pid)
    return found is not None and found.started == started


def abandon(places: "Places", key: "str", pid: "int", spawned: "float", killed: "float") -> "None":
    """Write down a process that SIGKILL did not end."""
    found = life(places.proc, pid)
    if found is None:
        return
    entry = {
        "boot_id": _boot(places), "key": key, "pid": pid, "started": found.started, "spawned": spawned,
        "killed": killed,
    }  # fmt: skip
    _write(places, "%s%d.%d.json" % (_STUCK, pid, found.started), entry)


def alive(places: "Places", key: "str") -> "Optional[Dict[str, Any]]":
    """The oldest abandoned process of this probe that still lives. Forgets those that are gone."""
    oldest: "Optional[Dict[str, Any]]" = None
    for name in _names(places):
        if not name.startswith(_STUCK):
            continue
        entry = _read(places, name)
        if not lives(places.proc, entry.get("pid"), entry.get("started")) or not _is_number(
            entry.get("spawned")
        ):
            _remove(places, name)
        elif entry.get("key") == key and (oldest is None or entry["spawned"] < oldest["spawned"]):
            oldest = entry
    return oldest


def note(places: "Places", key: "str", mono: "float") -> "None":
    """One probe was answered. Every hook's answer counts; silence counts only where health listened long enough."""
    if key == GPUS:
        _write(
            places,
            "history.json",
            {"boot_id": _boot(places), "answered": mono, "unanswered": [], "busy": None},
        )


def look(
    places: "Places",
    clock: "Clock",
    gpus_answer: "Answer",
    control_answer: "Optional[Answer]",
    busy: "Optional[str]",
) -> "Dict[str, Any]":
    """Health has asked the driver: what that means, kept for the hooks that may not ask. The `hang` fact."""
    from aami_slurm import hang

    control = control_answer is not None and control_answer.answered
    stuck = alive(places, GPUS)
    now = clock.mono()
    seen = hang.Look(
        now,
        answered=gpus_answer.answered,
        unanswered=gpus_answer.unanswered,
        stuck=stuck,
        control=control,
        busy=busy,
    )
    history = hang.note(_history(places), seen)
    told = hang.judge(history, seen)
    fact: "Dict[str, Any]" = {
        "verdict": told.verdict,
        "since_mono": told.since,
        "words": told.words,
        "evidence": {
            "source": "register", "raw": told.words, "time": _stamp(clock), "mono_us": int(now * 1000000),
            "pid": stuck and stuck["pid"], "started": stuck and stuck["started"],
            "looks": history["unanswered"], "control": control_answer and control_answer.kind, "busy": busy,
        },
    }  # fmt: skip
    try:
        _write(places, "history.json", dict(history, boot_id=_boot(places)))
        if told.verdict is None:
            _remove(places, "hang.json")
        else:
            _write(places, "hang.json", dict(fact, boot_id=_boot(places)))
    except OSError as error:
        fact["words"] += "; this can't be remembered: %s" % error.strerror
    return fact


def hang_fact(places: "Places", clock: "Clock") -> "Dict[str, Any]":
    """What health said last, as far as it is still so: a driver is hung while the process that shows it is there."""
    fact = _read(places, "hang.json")
    evidence = fact.get("evidence")
    if fact.get("verdict") not in ("driver-hung", "probe-stuck") or not isinstance(evidence, dict):
        return _nothing("no hang is known")
    if fact["verdict"] == "driver-hung":
        if not lives(places.proc, evidence.get("pid"), evidence.get("started")):
            return _nothing("the probe that could not be ended is gone")
        from aami_slurm import maintenance

        busy = maintenance.marked(places)
        if busy:
            return _nothing("not judged: %s" % busy)
        evidence.update(mono_us=int(clock.mono() * 1000000), time=_stamp(clock))
    return {key: fact.get(key) for key in ("verdict", "since_mono", "words", "evidence")}


def _nothing(words: "str") -> "Dict[str, Any]":
    return {"verdict": None, "since_mono": None, "words": words, "evidence": {}}


def _history(places: "Places") -> "Dict[str, Any]":
    """How the driver answered in this boot, in the shape that `hang` keeps."""
    told = _read(places, "history.json")
    looks: "List[Any]" = told["unanswered"] if isinstance(told.get("unanswered"), list) else []
    return {
        "answered": told["answered"] if _is_number(told.get("answered")) else None,
        "unanswered": [mono for mono in looks if _is_number(mono)],
        "busy": told["busy"] if _is_number(told.get("busy")) else None,
    }


def _is_number(told: "Any") -> "bool":
    return isinstance(told, (int, float)) and not isinstance(told, bool)


def _stamp(clock: "Clock") -> "str":
    from aami_slurm.clock import stamp

    return stamp(clock.wall())


def _boot(places: "Places") -> "str":
    try:
        return places.boot_id()
    except OSError:
        return ""


def _folder(places: "Places") -> "str":
    return places.run + "/probes"


def _names(places: "Places") -> "List[str]":
    try:
        return os.listdir(_folder(places))
    except OSError:
        return []


def _read(places: "Places", name: "str") -> "Dict[str, Any]":
    """A document of this boot; empty for one that is not there, of another boot, or garbage."""
    try:
        with open("%s/%s" % (_folder(places), name), "rb") as source:
            told = fast_json.loads(source.read(LARGEST).decode("ascii"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and told.get("boot_id") == _boot(places) else {}


def _write(places: "Places", name: "str", document: "Dict[str, Any]") -> "None":
    from aami_slurm.files import make_folder, write_atomic

    make_folder(_folder(places))
    write_atomic("%s/%s" % (_folder(places), name), fast_json.dumps(document).encode("ascii"), fsync=False)


def _remove(places: "Places", name: "str") -> "None":
    try:
        os.unlink("%s/%s" % (_folder(places), name))
    except OSError:
        return  # another hook was first
