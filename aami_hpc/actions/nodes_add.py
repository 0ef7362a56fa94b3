"""`nodes add`: write nodes into the configuration, one or a whole hosts.txt, or none of them.

`--json`: `added` (names), `file` (what was changed), `previous` (where the version before is kept, or null).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.actions.result import Result
from aami_hpc.config import load
from aami_hpc.config.rewrite import rewrite, target
from aami_hpc.errors import NodeConflict, StorageFault, UsageFault
from aami_hpc.fleet import entries, hosts
from aami_hpc.fleet.nodeset import fold
from aami_hpc.io.files import read_text
from aami_hpc.render.document import Paragraph, Steps, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aami_hpc.config import Settings
    from aami_hpc.fleet.hosts import Host


def one(
    settings: Settings,
    explicit: Path | None,
    environ: Mapping[str, str],
    *,
    name: str,
    address: str,
    pairs: Sequence[tuple[str, str]] = (),
) -> Result:
    """Add one node. `pairs` are keys and values as in a hosts.txt."""
    try:
        host = hosts.make(name, address, iter(pairs))
    except hosts.NotAHost as error:
        raise UsageFault(str(error), hint="See aami-hpc nodes add --help") from error
    there = _present(settings).get(name)
    if there is not None:
        raise NodeConflict(
            f"{name} is in the configuration already",
            cause=f"It is defined at {there}",
            hint=f"Change it there, or remove it first: aami-hpc nodes remove {name}",
        )
    return _write((host,), explicit, environ)


def file(settings: Settings, explicit: Path | None, environ: Mapping[str, str], *, path: Path) -> Result:
    """Add every node of a hosts.txt, or none."""
    found = hosts.parse(read_text(path), _present(settings))
    if not found:
        raise UsageFault(f"{path} names no node", hint="A line is: name ip [key=value…]")
    return _write(found, explicit, environ)


def _present(settings: Settings) -> dict[str, str]:
    """Names the configuration defines, and where."""
    return {name: entry.origin for entry in settings.nodes.entries for name in entry.names()}


def _write(found: Sequence[Host], explicit: Path | None, environ: Mapping[str, str]) -> Result:
    path = target(explicit, environ)
    done = rewrite(
        path, lambda text: entries.add(text, path, {host.name: host.entry() for host in found}), environ
    )
    names = [host.name for host in found]
    now = _present(load(path, environ=environ))
    lost = [name for name in names if name not in now]
    if lost:
        raise StorageFault(f"{fold(lost)} can't be read back from {path}", hint="Look at the file")
    return Result(
        {
            "added": names,
            "file": str(done.path),
            "previous": str(done.before) if done.before else None,
        },
        (
            Paragraph(Text(f"Added {len(names)} to {done.path}: {fold(names)}", "good")),
            Steps(((f"aami-hpc nodes test '{fold(names)}'", "log in to them"),)),
        ),
    )
