"""`nodes remove`: take nodes out of the configuration. What Slurm defines can't be removed here.

`--json`: `removed` (names), `still_in_slurm` (those of them that Slurm defines too), `file` (what was changed),
`previous` (where the version before is kept).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.actions.result import Result
from aami_hpc.config import load
from aami_hpc.config.rewrite import rewrite, target
from aami_hpc.errors import ConfigError, NodeConflict, StorageFault, UsageFault
from aami_hpc.fleet import entries
from aami_hpc.fleet.gather import gather
from aami_hpc.fleet.nodeset import fold
from aami_hpc.model.node import SLURM
from aami_hpc.render.document import Paragraph, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from aami_hpc.config import Settings
    from aami_hpc.io.run import Runner
    from aami_hpc.render.document import Block


def run(
    settings: Settings,
    explicit: Path | None,
    runner: Runner,
    environ: Mapping[str, str],
    *,
    expression: str,
    confirm: Callable[[Sequence[str]], None],
) -> Result:
    """Remove the nodes that the expression means. `confirm` does not return when a person says no."""
    chosen = gather(settings, runner, environ).chosen(expression)
    names = [node.name for node in chosen]
    if not names:
        raise UsageFault(f"{expression} is no node at the moment", cause="Nothing was removed")
    path = target(explicit, environ)
    _removable(settings, names, path)
    confirm(names)
    done = rewrite(path, lambda text: entries.remove(text, path, set(names)), environ)
    left = _defined(load(path, environ=environ), names)
    if left:
        raise StorageFault(f"{fold(left)} can still be read from {path}", hint="Look at the file")
    also = [node.name for node in chosen if node.origin.get("name") == SLURM]
    blocks: list[Block] = [Paragraph(Text(f"Removed {len(names)} from {done.path}: {fold(names)}", "good"))]
    if also:
        blocks.append(Paragraph(Text(f"Still there, because Slurm defines them: {fold(also)}", "warn")))
    return Result(
        {
            "removed": names,
            "still_in_slurm": also,
            "file": str(done.path),
            "previous": str(done.before) if done.before else None,
        },
        tuple(blocks),
    )


def _removable(settings: Settings, names: Collection[str], path: Path) -> None:
    """Raise unless every name is defined in the file that is going to be changed, and in no other."""
    defined = _defined(settings, names)
    missing = [name for name in names if name not in defined]
    if missing:
        raise NodeConflict(
            f"{fold(missing)} can't be removed here",
            cause="Slurm defines them, the configuration does not",
            hint="Take them out of slurm.conf, and restart slurmctld",
        )
    elsewhere = sorted(
        {origin for origins in defined.values() for origin in origins if not _in(origin, path)}
    )
    if elsewhere:
        raise ConfigError(
            f"Some of these nodes are defined outside {path}",
            cause=f"At {', '.join(elsewhere[:3])}; nothing was removed",
            hint="Edit that file by hand",
        )


def _defined(settings: Settings, names: Collection[str]) -> dict[str, list[str]]:
    """Those of the names that the configuration defines, and where it does."""
    wanted = set(names)
    found: dict[str, list[str]] = {}
    for entry in settings.nodes.entries:
        for name in entry.names():
            if name in wanted:
                found.setdefault(name, []).append(entry.origin)
    return found


def _in(origin: str, path: Path) -> bool:
    return origin.rpartition(":")[0] == str(path)
