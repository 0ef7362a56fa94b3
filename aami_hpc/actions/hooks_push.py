"""`hooks push`: bring nodes to the generation of this configuration, and read back that they run it.

`--json`: {"generation", "content", "dry_run", "nodes": {NAME: {"outcome", "generation", "before", "detail",
"python"}}, "groups": [{"outcome", "generation", "before", "nodes", "count", "detail", "hint"}], "skipped": [{"node",
"state"}], "remarks": [TEXT]}. `generation` of a node is what is in force there now, as it was read back; null where
there is none, or where it could not be read. The words of `outcome` are `pushed`, `would-push`, `unchanged`,
`no-python`, `no-space`, `not-writable`, `drift`, `failed` and `unreachable`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.actions.hooks_push_page import page
from aami_hpc.actions.result import Result
from aami_hpc.errors import UsageFault
from aami_hpc.fleet.gather import gather
from aami_hpc.fleet.nodeset import fold
from aami_hpc.hooks import cluster, node_json, tree, work
from aami_hpc.hooks.nodes import choose
from aami_hpc.hooks.remote import Way, each
from aami_hpc.hooks.report import Ending, groups
from aami_hpc.io.clock import SystemClock
from aami_hpc.io.files import storage_fault
from aami_hpc.io.progress import NoProgress
from aami_hpc.io.ssh import Payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from aami_hpc.config import Settings
    from aami_hpc.hooks.cluster import Cluster
    from aami_hpc.hooks.remote import Remote
    from aami_hpc.hooks.report import Report
    from aami_hpc.hooks.tree import Sources
    from aami_hpc.io.clock import Clock
    from aami_hpc.io.progress import Progress
    from aami_hpc.io.run import Runner
    from aami_hpc.io.ssh import Local

_OURS = "/usr/libexec/aami-hpc/"


def run(
    settings: Settings,
    runner: Runner,
    environ: Mapping[str, str],
    *,
    expression: str | None,
    dry_run: bool,
    confirm: Callable[[Sequence[str]], None],
    progress: Progress | None = None,
    clock: Clock | None = None,
    local: Local | None = None,
    root: str = "",
    sources: Sources | None = None,
) -> Result:
    """Push to the nodes of the expression. `confirm` does not return when a person says no."""
    gathered = gather(settings, runner, environ)
    told = cluster.ask(settings, runner, environ)
    if told.silent is not None:  # half of what nodes need to know would be missing
        raise told.silent
    chosen = choose(gathered, expression)
    document = node_json.build(settings, told, gathered.inventory)
    generation = tree.build(document, settings.hooks, (clock or SystemClock()).now(), sources)
    look_for = tuple(filter(None, (told.scontrol, told.conf)))
    if not dry_run:
        confirm(chosen.names)
    way = Way(settings, progress or NoProgress(), local, root)
    label = f"{'Looking at' if dry_run else 'Pushing to'} nodes"
    with tempfile.TemporaryDirectory(prefix="aami-hpc-") as folder:
        payload = None if dry_run else _payload(Path(folder) / "tree.tar.gz", generation.packed())
        shipment = work.Shipment(generation, settings.hooks.keep, payload, look_for)

        async def push(remote: Remote) -> Report:
            return await work.push(remote, shipment)

        reports, remarks = each(way, chosen.present, label, push)
    remarks += [*_not_there(reports, told), *_health(settings, told)]
    merged = groups(reports)
    data = {
        "generation": generation.name,
        "content": generation.content,
        "dry_run": dry_run,
        "nodes": {one.node: one.as_dict() for one in reports},
        "groups": merged,
        "skipped": chosen.skipped,
        "remarks": remarks,
    }
    summary = _summary(reports, generation.name, dry_run=dry_run)
    return Result(
        data,
        page(summary, reports, merged, chosen, remarks, before=not dry_run),
        all(one.good for one in reports),
    )


def _payload(path: Path, packed: bytes) -> Payload:
    try:
        path.write_bytes(packed)
    except OSError as error:
        raise storage_fault(error, path, "write") from error
    return Payload.of(path)


def _summary(reports: Sequence[Report], generation: str, *, dry_run: bool) -> str:
    runs = sum(one.ending in (Ending.PUSHED, Ending.UNCHANGED) for one in reports)
    if dry_run:
        would = sum(one.ending is Ending.WOULD_PUSH for one in reports)
        return f"Nothing was changed: {would} of {len(reports)} nodes would get generation {generation}"
    if reports and all(one.ending is Ending.UNCHANGED for one in reports):
        return f"Unchanged: {runs} of {len(reports)} nodes run what this configuration makes"
    return f"{runs} of {len(reports)} nodes run what this configuration makes, generation {generation}"


def _not_there(reports: Sequence[Report], told: Cluster) -> Iterator[str]:
    """What the settings name and a node does not have: its hooks could not ask Slurm."""
    for path, hint in ((told.scontrol, "slurm.bin_dir"), (told.conf, "slurm.conf")):
        without = [one.node for one in reports if one.look and path and one.look.there.get(path) is False]
        if without:
            yield f"{path} is not there on {fold(without)}: hooks there can't ask Slurm. See {hint}"


def _health(settings: Settings, told: Cluster) -> Iterator[str]:
    """Health that nobody runs, or two do."""
    program = told.programs.get("HealthCheckProgram", "")
    ours = program.startswith(_OURS)
    if settings.hooks.health == "slurm" and program and not ours:
        yield (
            f"HealthCheckProgram is {program}: unless that calls {_OURS}health, set hooks.health to timer and push again"
        )
    if settings.hooks.health == "timer" and ours:
        yield f"Health runs twice: by the timer, and as HealthCheckProgram {program}"


def check_generation(name: str | None) -> None:
    """Refuse what can't be the name of a generation before any node is asked."""
    if name is not None and not tree.NAME.fullmatch(name):
        raise UsageFault(
            f"{name!r} is no generation",
            cause="They are called like 20261120T133000Z-1a2b3c4d",
            hint="See aami-hpc hooks status",
        )
