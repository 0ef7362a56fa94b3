"""`hooks rollback`: put a generation in force that nodes still have: the one before, or the one named.

`--json`: {"to", "nodes": {NAME: {"outcome", "generation", "before", "detail", "python"}}, "groups": [{"outcome",
"generation", "before", "nodes", "count", "detail", "hint"}], "skipped": [{"node", "state"}], "remarks": [TEXT]}. `to`
is null where each node goes back to its own. The words of `outcome` are `switched`, `unchanged`, `nothing-there`,
`no-python`, `drift`, `failed` and `unreachable`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.actions.hooks_push import check_generation
from aami_hpc.actions.hooks_push_page import page
from aami_hpc.actions.result import Result
from aami_hpc.fleet.gather import gather
from aami_hpc.hooks import work
from aami_hpc.hooks.nodes import choose
from aami_hpc.hooks.remote import Way, each
from aami_hpc.hooks.report import Ending, groups
from aami_hpc.io.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aami_hpc.config import Settings
    from aami_hpc.hooks.remote import Remote
    from aami_hpc.hooks.report import Report
    from aami_hpc.io.progress import Progress
    from aami_hpc.io.run import Runner
    from aami_hpc.io.ssh import Local


def run(
    settings: Settings,
    runner: Runner,
    environ: Mapping[str, str],
    *,
    expression: str | None,
    to: str | None,
    confirm: Callable[[Sequence[str]], None],
    progress: Progress | None = None,
    local: Local | None = None,
    root: str = "",
) -> Result:
    """Switch the nodes of the expression. `confirm` does not return when a person says no."""
    check_generation(to)
    gathered = gather(settings, runner, environ)
    chosen = choose(gathered, expression)
    confirm(chosen.names)

    async def switch(remote: Remote) -> Report:
        return await work.rollback(remote, to)

    way = Way(settings, progress or NoProgress(), local, root)
    reports, remarks = each(way, chosen.present, "Switching nodes", switch)
    remarks += filter(None, [gathered.remark])
    merged = groups(reports)
    data = {
        "to": to,
        "nodes": {one.node: one.as_dict() for one in reports},
        "groups": merged,
        "skipped": chosen.skipped,
        "remarks": remarks,
    }
    done = sum(one.ending is Ending.SWITCHED for one in reports)
    summary = f"{done} of {len(reports)} nodes were switched to {to or 'the generation before'}"
    return Result(data, page(summary, reports, merged, chosen, remarks), all(one.good for one in reports))
