"""`hooks status`: which generation runs where, read back from every node, and what is not as it should be.

`--json`: {"generation", "content", "nodes": {NAME: {"outcome", "generation", "before", "detail", "python",
"previous", "hooks"}}, "groups": [{"outcome", "generation", "before", "nodes", "count", "detail", "hint"}], "skipped":
[{"node", "state"}], "remarks": [TEXT]}. `content` is what this configuration would push, null where that can't be told;
`generation` is the most frequent one in force. `previous` are the generations to go back to, `hooks` how many seconds
ago each hook ran last. The words of `outcome` are `ok`, `outdated`, `drift`, `nothing-there`, `no-python`, `failed`
and `unreachable`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from aami_hpc.actions.hooks_push_page import page
from aami_hpc.actions.result import Result
from aami_hpc.errors import AamiError
from aami_hpc.fleet.gather import gather
from aami_hpc.fleet.nodeset import fold
from aami_hpc.hooks import cluster, node_json, tree, work
from aami_hpc.hooks.nodes import choose
from aami_hpc.hooks.remote import Way, each
from aami_hpc.hooks.report import Ending, groups, unlike_the_others
from aami_hpc.io.clock import SystemClock
from aami_hpc.io.progress import NoProgress
from aami_hpc.render.document import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aami_hpc.config import Settings
    from aami_hpc.fleet.gather import Gathered
    from aami_hpc.hooks.remote import Remote
    from aami_hpc.hooks.report import Report
    from aami_hpc.hooks.tree import Sources
    from aami_hpc.io.progress import Progress
    from aami_hpc.io.run import Runner
    from aami_hpc.io.ssh import Local

_HOOKS = ("prolog", "epilog", "health")
_SPANS = ((86400, "d"), (3600, "h"), (60, "min"))


def run(
    settings: Settings,
    runner: Runner,
    environ: Mapping[str, str],
    *,
    expression: str | None,
    progress: Progress | None = None,
    local: Local | None = None,
    root: str = "",
    sources: Sources | None = None,
) -> Result:
    """Ask the nodes of the expression. Status 1 unless all of them run what this configuration makes, unharmed."""
    gathered = gather(settings, runner, environ)
    chosen = choose(gathered, expression)
    content, remarks = _expected(settings, runner, environ, gathered, sources)
    remarks += filter(None, [gathered.remark])

    async def look(remote: Remote) -> Report:
        return await work.status(remote, content)

    way = Way(settings, progress or NoProgress(), local, root)
    reports, noticed = each(way, chosen.present, "Asking nodes", look, changes=False)
    reports = unlike_the_others(reports)
    remarks += noticed
    merged = groups(reports)
    usual = Counter(one.generation for one in reports if one.generation).most_common(1)
    data = {
        "generation": usual[0][0] if usual else None,
        "content": content,
        "nodes": {one.node: _node(one) for one in reports},
        "groups": merged,
        "skipped": chosen.skipped,
        "remarks": remarks,
    }
    good = sum(one.ending is Ending.OK for one in reports)
    summary = f"{good} of {len(reports)} nodes run what this configuration makes, unharmed"
    if content is None:
        summary = f"{good} of {len(reports)} nodes run a generation, unharmed"
    shown = page(summary, reports, merged, chosen, remarks, *_runs(reports), before=False)
    return Result(data, shown, all(one.good for one in reports))


def _expected(
    settings: Settings,
    runner: Runner,
    environ: Mapping[str, str],
    gathered: Gathered,
    sources: Sources | None,
) -> tuple[str | None, list[str]]:
    """The content that would be pushed now. That it can't be told must not hide what runs."""
    try:
        told = cluster.ask(settings, runner, environ)
        if told.silent is not None:
            raise told.silent
        document = node_json.build(settings, told, gathered.inventory)
        return tree.build(document, settings.hooks, SystemClock().now(), sources).content, []
    except AamiError as error:
        return None, [f"What this configuration would push is not known: {error.message}"]


def _node(one: Report) -> dict[str, Any]:
    return {
        **one.as_dict(),
        "previous": list(one.look.previous) if one.look else [],
        "hooks": dict(one.look.hooks) if one.look else {},
    }


def _runs(reports: Sequence[Report]) -> list[Table]:
    """When hooks ran last, on nodes that have them."""
    looks = {one.node: one.look for one in reports if one.look and one.look.generation}
    if not looks:
        return []
    rows = []
    for hook in _HOOKS:
        ages = sorted(look.hooks[hook] for look in looks.values() if hook in look.hooks)
        never = fold(name for name, look in looks.items() if hook not in look.hooks)
        between = " to ".join(dict.fromkeys(_ago(age) for age in (ages[:1] + ages[-1:])))
        rows.append((hook, str(len(ages)), between and f"{between} ago", never))
    columns = ("Hook", "Nodes", "Last run", "Not in this boot, as far as is known")
    return [Table(columns, tuple(rows), title="Hook runs")]


def _ago(seconds: float) -> str:
    for size, unit in _SPANS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
