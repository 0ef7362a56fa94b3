"""`hooks remove`: take launchers and generations from nodes. What nodes have recorded stays.

`--json`: {"refused": [{"parameter", "value"}], "kept", "nodes": {NAME: {"outcome", "generation", "before", "detail",
"python"}}, "groups": [{"outcome", "generation", "before", "nodes", "count", "detail", "hint"}], "skipped": [{"node",
"state"}], "remarks": [TEXT]}. `refused` is empty unless Slurm calls a launcher directly: then nothing was done, and
`nodes` and `groups` are empty. The words of `outcome` are `removed`, `unchanged`, `no-python`, `failed` and
`unreachable`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from aami_hpc.actions.hooks_push_page import page
from aami_hpc.actions.result import Result
from aami_hpc.fleet.gather import gather
from aami_hpc.hooks import cluster, work
from aami_hpc.hooks.nodes import choose
from aami_hpc.hooks.remote import Way, each
from aami_hpc.hooks.report import Ending, groups
from aami_hpc.io.progress import NoProgress
from aami_hpc.render.document import Fact, Facts, Paragraph, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aami_hpc.config import Settings
    from aami_hpc.hooks.nodes import Chosen
    from aami_hpc.hooks.remote import Remote
    from aami_hpc.hooks.report import Report
    from aami_hpc.io.progress import Progress
    from aami_hpc.io.run import Runner
    from aami_hpc.io.ssh import Local

STATE = "/var/lib/aami-hpc"
_LIBEXEC = "/usr/libexec/aami-hpc"
_LAUNCHERS = tuple(f"{_LIBEXEC}/{name}" for name in ("prolog", "epilog", "health"))


def run(
    settings: Settings,
    runner: Runner,
    environ: Mapping[str, str],
    *,
    expression: str | None,
    confirm: Callable[[Sequence[str]], None],
    progress: Progress | None = None,
    local: Local | None = None,
    root: str = "",
) -> Result:
    """Remove from the nodes of the expression, unless a node would be drained by it."""
    chosen = choose(gather(settings, runner, environ), expression)
    told = cluster.ask(settings, runner, environ)
    if told.silent is not None:  # whether Slurm still calls a launcher is not known: nothing is done
        raise told.silent
    calls = [
        {"parameter": parameter, "value": value}
        for parameter, value in told.programs.items()
        if calls_a_launcher(value)
    ]
    if calls:
        return _refusal(calls, chosen)
    confirm(chosen.names)

    async def remove(remote: Remote) -> Report:
        return await work.remove(remote)

    way = Way(settings, progress or NoProgress(), local, root)
    reports, remarks = each(way, chosen.present, "Removing from nodes", remove)
    merged = groups(reports)
    done = sum(one.ending is Ending.REMOVED for one in reports)
    summary = (
        f"Removed from {done} of {len(reports)} nodes; {STATE} stays there: journal, ledger and inventory"
    )
    shown = page(summary, reports, merged, chosen, remarks)
    return Result(_data([], reports, merged, chosen, remarks), shown, all(one.good for one in reports))


def calls_a_launcher(value: str) -> bool:
    """Whether a list of programs, or patterns of them, names one of ours by its path."""
    parts = [part.strip() for part in value.split(",")]
    return any(
        part.startswith(f"{_LIBEXEC}/") or any(fnmatchcase(path, part) for path in _LAUNCHERS)
        for part in parts
    )


def _refusal(calls: list[dict[str, str]], chosen: Chosen) -> Result:
    blocks = (
        Paragraph(Text("Nothing was removed: Slurm calls our launchers by their paths", "bad")),
        Facts(tuple(Fact(one["parameter"], one["value"], "scontrol show config") for one in calls)),
        Paragraph(
            "A Prolog or Epilog that is missing on a node drains it when the next job begins or ends. Take these "
            "lines out of slurm.conf, or let them name the launchers beside slurm.conf, which end well where our "
            "tree is absent; then `scontrol reconfigure`, and run this again."
        ),
    )
    return Result(_data(calls, [], [], chosen, []), blocks, yes=False)


def _data(
    refused: list[dict[str, str]],
    reports: Sequence[Report],
    merged: list[dict[str, Any]],
    chosen: Chosen,
    remarks: list[str],
) -> dict[str, Any]:
    return {
        "refused": refused,
        "kept": STATE,
        "nodes": {one.node: one.as_dict() for one in reports},
        "groups": merged,
        "skipped": chosen.skipped,
        "remarks": remarks,
    }
