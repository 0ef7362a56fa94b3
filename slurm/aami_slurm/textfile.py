"""`aami.prom`: this node's series for node_exporter, made anew by every hook from what journal and ledger add up to."""

from aami_slurm.files import write_atomic
from aami_slurm.metrics import Page
from aami_slurm.state import index_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from aami_slurm.places import Places
    from aami_slurm.settings import Settings
    from aami_slurm.state import State

NAME = "aami.prom"
STALE = 86400.0  # a check that said nothing for so long is no longer run
JOB_LABELS = ("user", "account", "partition")


def render(
    state: "State", inventory: "Optional[Dict[str, Any]]", settings: "Settings", now: "float"
) -> "str":
    """The whole file. The same state gives the same text."""
    page = Page()
    index = {gpu["uuid"]: index_of(gpu) for gpu in (inventory or {}).get("gpus", [])}
    _jobs(page, state, index, [name for name in JOB_LABELS if name in settings.job_labels])
    page.family(
        "aami_gpu_xid_events_total", "counter", "Xids of this boot that the kernel printed about a GPU."
    )
    for uuid, codes in sorted(state.totals.items()):
        for code in sorted(codes, key=int):
            page.add([("gpu", index.get(uuid)), ("gpu_uuid", uuid), ("xid", code)], codes[code])
    page.family("aami_journal_seq", "gauge", "Number of the newest event in this boot's journal.")
    page.add([], state.seq)
    page.family(
        "aami_kernel_records_lost_total", "counter", "Kernel log records overwritten before they were read."
    )
    page.add([], state.lost)
    _checks(page, state, now)
    _hooks(page, state)
    return page.text()


def _jobs(page: "Page", state: "State", index: "Dict[str, Any]", labels: "List[str]") -> "None":
    page.family("aami_gpu_job_info", "gauge", "Job runs and the GPUs they hold now.")
    for _, run in sorted(state.runs.items()):
        if run["end_mono_us"] is not None:
            continue
        for gpu in run["gpus"]:
            known = index.get(gpu["uuid"])
            told = [("gpu", index_of(gpu) if known is None else known), ("gpu_uuid", gpu["uuid"])]
            told.append(("job_id", run["job_id"]))
            page.add(told + [(name, run.get(name)) for name in labels], 1)


def _checks(page: "Page", state: "State", now: "float") -> "None":
    told = [(name, note) for name, note in sorted(state.checks.items()) if note["time"] > now - STALE]
    page.family("aami_check_outcome", "gauge", "What each check found last.")
    for name, note in told:
        page.add([("check", name), ("outcome", note["outcome"])], 1)
    page.family("aami_check_duration_seconds", "gauge", "How long each check took last.")
    for name, note in told:
        page.add([("check", name)], note["seconds"])


def _hooks(page: "Page", state: "State") -> "None":
    told = sorted(state.hooks.items())
    page.family("aami_hook_duration_seconds", "gauge", "How long each hook ran last.")
    for name, note in told:
        page.add([("hook", name)], note["seconds"])
    page.family("aami_hook_last_run_timestamp_seconds", "gauge", "When each hook ended last.")
    for name, note in told:
        page.add([("hook", name)], note["time"])


def write(places: "Places", settings: "Settings", text: "str") -> "Optional[str]":
    """Put it in the folder that node_exporter reads. Words where that can't be done: no hook fails for its metrics."""
    if settings.textfile is None:
        return None
    folder = places.below(settings.textfile)
    try:
        write_atomic(folder + "/" + NAME, text.encode("utf-8"), fsync=False, mode=0o644, alone=True)
    except OSError as error:
        return "%s: %s" % (folder, error.strerror)
    return None
