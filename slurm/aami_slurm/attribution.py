"""Whose event was it? The job runs of the ledger that an event of the kernel belongs to, and how sure that is.

Pure. `exact`: the run held the GPU at that time, and the process in the line is the job's own. `gpu`: it held the GPU
at that time. `node`: it ran on the node at that time. Every run that could be meant is named: GPUs are shared.
"""

from aami_slurm.state import GRACE_US, key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, Optional

    Run = Dict[str, Any]
    PidJob = Callable[[int], Optional[str]]

EXACT, GPU, NODE = "exact", "gpu", "node"


def attribute(
    event: "Dict[str, Any]", runs: "Dict[str, Run]", pid_job: "Optional[PidJob]" = None
) -> "List[Dict[str, Any]]":
    """[{"job_id", "restart", "user", "confidence", "late"}]; `late`: it came after the job's end, within the grace.

    `pid_job` tells the key of the run a process belongs to, or None.
    """
    at: "int" = event["mono_us"]
    uuid = event.get("gpu_uuid")
    if uuid is None:
        return _told([run for run in runs.values() if _has_gpus(run) and _near(run, at)], NODE, at)
    holders = [run for run in runs.values() if _holds(run, uuid, event.get("mig"))]
    found = [run for run in holders if _near(run, at) and not _succeeded(run, runs.values(), uuid, at)]
    if not found:
        # A run that began before there was an inventory may have held it.
        return _told([run for run in runs.values() if run.get("unresolved") and _near(run, at)], NODE, at)
    owner = _owner(event, pid_job)
    named = [run for run in found if key(run) == owner]
    return _told(named, EXACT, at) if named else _told(found, GPU, at)


def _owner(event: "Dict[str, Any]", pid_job: "Optional[PidJob]") -> "Optional[str]":
    """The run of the process in the line, unless it only made the call that found the error."""
    if pid_job is None or event.get("pid") is None or event.get("bystander"):
        return None
    return pid_job(event["pid"])


def _has_gpus(run: "Run") -> "bool":
    return bool(run.get("gpus") or run.get("unresolved"))


def _holds(run: "Run", uuid: "str", mig: "Optional[Dict[str, Any]]") -> "bool":
    return any(
        gpu.get("uuid") == uuid and _same_instance(gpu.get("mig"), mig) for gpu in run.get("gpus") or ()
    )


def _same_instance(held: "Optional[Dict[str, Any]]", told: "Optional[Dict[str, Any]]") -> "bool":
    """Whether a line about one instance of a GPU (or about all of it) can be about what was held."""
    if not held or not told:
        return True
    return all(
        held.get(part) is None or told.get(part) is None or held[part] == told[part] for part in ("gi", "ci")
    )


def _near(run: "Run", at: "int") -> "bool":
    end = run.get("end_mono_us")
    return run["start_mono_us"] <= at and (end is None or at <= end + GRACE_US)


def _succeeded(run: "Run", runs: "Iterable[Run]", uuid: "str", at: "int") -> "bool":
    """Whether it had ended, and the GPU had gone to another run before the event."""
    end = run.get("end_mono_us")
    if end is None or at <= end:
        return False
    return any(
        end <= other["start_mono_us"] <= at and _holds(other, uuid, gpu.get("mig"))
        for other in runs
        for gpu in run["gpus"]
        if other is not run and gpu.get("uuid") == uuid
    )


def _told(runs: "List[Run]", confidence: "str", at: "int") -> "List[Dict[str, Any]]":
    found = []
    for run in sorted(runs, key=lambda run: (run["job_id"], run["restart"])):
        end = run.get("end_mono_us")
        found.append(
            {
                "job_id": run["job_id"],
                "restart": run["restart"],
                "user": run.get("user"),
                "confidence": confidence,
                "late": end is not None and at > end,
            }
        )
    return found
