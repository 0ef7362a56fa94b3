"""Which job a process belongs to, by the control group that slurmstepd put it in. Never by its environment: users forge that.

Only the places where root makes groups count: a user may make groups of any name below the session of their own.
"""

import os
import time

from aami_slurm.state import MICRO, key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Set

    Run = Dict[str, Any]

STEPD = "slurmstepd.scope"  # with the node's name before it where a machine runs several slurmd
BOOTTIME = 7  # CLOCK_BOOTTIME, which Python 3.6 has no name for
SLACK_US = 2 * MICRO  # a process must not have begun later than this behind the event
STARTED = 19  # field of /proc/PID/stat, counted behind the name


def job_key(proc: "str", pid: "int", runs: "Dict[str, Run]", event_us: "int") -> "Optional[str]":
    """The run of a process that is still there and was there at the event; None for all others."""
    started = _started_us("%s/%d/stat" % (proc, pid))
    if started is None or started > event_us + SLACK_US:
        return None  # gone, or another process has its number now
    group = _read("%s/%d/cgroup" % (proc, pid))
    return None if group is None else run_of(job_names(group), runs)


def job_names(group: "str") -> "Set[str]":
    """The names of jobs in the content of /proc/PID/cgroup: `job_1234`, or the job's SLUID."""
    return {name for name in (_name_in(line.split(":", 2)[-1]) for line in group.splitlines()) if name}


def _name_in(path: "str") -> "Optional[str]":
    """.../slurmstepd.scope/job_7/step_0 (v2), /slurm/uid_1000/job_7/step_0 (v1)."""
    parts = [part for part in path.split("/") if part]
    for place, part in enumerate(parts):
        if part == "user.slice" or part.startswith("user@"):
            return None
        if part == STEPD or part.endswith("_" + STEPD):
            return parts[place + 1] if len(parts) > place + 1 else None
        if (part == "slurm" or part.startswith("slurm_")) and len(parts) > place + 2:
            return parts[place + 2] if parts[place + 1].startswith("uid_") else None
    return None


def run_of(names: "Set[str]", runs: "Dict[str, Run]") -> "Optional[str]":
    """The latest run with one of these names; None if they mean several jobs, or none."""
    meant = [
        run for run in runs.values() if not names.isdisjoint({"job_%s" % run["job_id"], run.get("sluid")})
    ]
    if len({run["job_id"] for run in meant}) != 1:
        return None
    return key(max(meant, key=lambda run: int(run["start_mono_us"])))


def _started_us(path: "str") -> "Optional[int]":
    """When the process began, in microseconds of the monotonic clock."""
    told = _read(path)
    fields = told.rpartition(")")[2].split() if told else []
    if len(fields) <= STARTED or not fields[STARTED].isdecimal():
        return None
    since_boot = int(fields[STARTED]) * MICRO // os.sysconf("SC_CLK_TCK")
    asleep = time.clock_gettime(BOOTTIME) - time.monotonic()
    return since_boot - int(asleep * MICRO)


def _read(path: "str") -> "Optional[str]":
    try:
        with open(path, "rb") as source:
            return source.read(65536).decode("utf-8", "backslashreplace")
    except OSError:
        return None
