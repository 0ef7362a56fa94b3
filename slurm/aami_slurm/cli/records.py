"""`aami-node ledger | events | inventory`: what was written down, read without the hooks' lock."""

from aami_slurm import inventory as stock
from aami_slurm import log, node
from aami_slurm.cli import table, tool
from aami_slurm.clock import seconds_of, stamp
from aami_slurm.hook import Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, Dict, Iterator, List

    Line = Dict[str, Any]

USAGE = 2
OF_A_RUN = ("start", "resolve", "end")


def ledger(options: "Namespace") -> "int":
    """Every run that this node remembers, with its GPUs; a run without an end is open, or its end was never seen."""
    here = node.from_environment("command")
    runs = [run for run in runs_of(here.places.ledger) if _asked(run, options)]
    if options.json:
        tool.say({"node": here.name, "runs": runs})
    else:
        head = ("JOB", "USER", "ACCOUNT", "START", "END", "EXIT", "GPUS")
        table.show(head, [_run_row(run) for run in runs], "no such job run is known here")
    return 0


def runs_of(folder: "str") -> "List[Line]":
    """The ledger's lines brought together, one dict per run, in the order the runs began."""
    runs: "Dict[str, Line]" = {}
    for line in log.lines_of(folder):
        if line.get("op") not in OF_A_RUN:
            continue
        key = "%s %s.%s" % (line.get("boot_id"), line.get("job_id"), line.get("restart"))
        run = runs.setdefault(key, {})
        run.update((name, value) for name, value in line.items() if name not in ("op", "seq"))
    return list(runs.values())


def _asked(run: "Line", options: "Namespace") -> "bool":
    return (options.job is None or run.get("job_id") == options.job) and not (options.open and "end" in run)


def _run_row(run: "Line") -> "List[Any]":
    gpus = run.get("gpus") or []
    told = " ".join("%s=%s" % (_index(gpu), gpu.get("uuid")) for gpu in gpus)
    unresolved = run.get("unresolved")
    return [
        "%s.%s" % (run.get("job_id"), run.get("restart")),
        run.get("user"),
        run.get("account"),
        run.get("start"),
        run.get("end") if "end" in run else "open",
        (run.get("exit") or {}).get("raw"),
        told or ("unresolved: %s" % unresolved if unresolved else None),
    ]


def _index(gpu: "Line") -> "Any":
    return "?" if gpu.get("slurm_index") is None else gpu["slurm_index"]


def events(options: "Namespace") -> "int":
    here = node.from_environment("command")
    since = ""
    if options.since is not None:
        seconds = seconds_of(options.since)
        if seconds is None:
            raise Stop(USAGE, "no time: %r; 2026-11-20 or 2026-11-20T03:04:05Z" % options.since)
        since = stamp(seconds)
    found = [line for line in log.lines_of(here.places.journal) if _wanted(line, options, since)]
    found = found[-options.n :] if options.n else found
    if options.json:
        tool.say({"node": here.name, "events": found})
    else:
        head = ("SEQ", "TIME", "KIND", "GPU", "JOBS", "WHAT")
        table.show(head, [_event_row(line) for line in found], "the journal has no such line")
    return 0


def _wanted(line: "Line", options: "Namespace", since: "str") -> "bool":
    return (
        (options.kind is None or line.get("kind") == options.kind)
        and (options.gpu is None or line.get("gpu_uuid") == options.gpu)
        and (not since or (line.get("time") or "") >= since)
    )


def _event_row(line: "Line") -> "List[Any]":
    jobs = " ".join("%s(%s)" % (job.get("job_id"), job.get("confidence")) for job in line.get("jobs") or [])
    what = line.get("raw") or line.get("summary") or line.get("words") or line.get("what")
    code = line.get("code")
    told = what if code is None or line.get("raw") else "%s: %s" % (code, what)
    return [line.get("seq"), line.get("time"), line.get("kind"), line.get("gpu"), jobs, told]


def inventory(options: "Namespace") -> "int":
    """Status 1 if a GPU that was here is gone."""
    here = node.from_environment("command")
    found = stock.load(here.places, here.boot_id)
    gpus: "List[Line]" = [] if found is None else found["gpus"]
    if options.json:
        tool.say(found)
    else:
        head = ("GPU", "BUS ID", "MODEL", "SERIAL", "PRESENT", "UUID")
        empty = "no look at the GPUs has succeeded in this boot yet"
        table.show(head, _gpu_rows(gpus), empty)
    # One that was not there in this boot was taken out, or is missed by Slurm's count: gpu-count tells which.
    return 0 if gpus and all(gpu["present"] or gpu["slurm_index"] is None for gpu in gpus) else 1


def _gpu_rows(gpus: "List[Line]") -> "Iterator[List[Any]]":
    for gpu in gpus:
        present = "yes" if gpu["present"] else "no, last seen %s" % gpu["last_seen"]
        yield [gpu["slurm_index"], gpu["bus_id"], gpu["model"], gpu["serial"], present, gpu["uuid"]]
