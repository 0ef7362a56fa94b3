"""Find, read, merge and check the configuration, without the models: what `load` and `config check` share."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.config import places, reader
from aami_hpc.config.membership import stray_groups
from aami_hpc.config.problem import Problem, at
from aami_hpc.config.schema import schema
from aami_hpc.config.shape import Walk
from aami_hpc.config.tree import Item, merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aami_hpc.config.secret import Secret


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found. `tree` may be used only when there are no problems."""

    main: Path | None
    files: tuple[Path, ...]
    tree: Item
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    secrets: tuple[tuple[str, Item, Secret], ...]


def examine(
    explicit: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    instead: tuple[Path, str] | None = None,
) -> Examined:
    """Look at the configuration in force. `instead` gives the main file and a text to read in its place."""
    environ = os.environ if environ is None else environ
    main = instead[0] if instead else places.main_file(explicit, environ)
    walk = Walk(schema(), environ)
    problems: list[Problem] = []
    files = () if main is None else _files(main, planned=instead is not None)
    tree = Item({}, main or Path(), 1)
    for path in files:
        try:
            read = reader.parse(instead[1], path) if instead and path == main else reader.read(path)
        except reader.Unparsable as refused:
            problems.append(refused.problem)
            continue
        tree = merge(tree, walk.filled(read))
    problems += walk.problems(tree)
    if not problems:
        problems += stray_groups(tree)
    warnings = tuple(_exposed(walk.secrets))
    return Examined(main, files, tree, tuple(problems), warnings, tuple(walk.secrets))


def _files(main: Path, *, planned: bool) -> tuple[Path, ...]:
    """The files in force. The main file may be missing beside its drop-ins, or only be planned."""
    overlays = places.drop_ins(main)
    return (main, *overlays) if planned or places.there(main) else overlays


def _exposed(secrets: list[tuple[str, Item, Secret]]) -> Iterator[Problem]:
    """Secrets that more people can read than should."""
    for key, item, secret in secrets:
        path = secret.file or (item.file if secret.literal else None)
        if path is None:
            continue
        try:
            mode = path.stat().st_mode
        except OSError:
            yield at(item, key, f"is in {path}, which this user can't look at")
            continue
        if mode & stat.S_IROTH:
            yield at(
                item, key, f"is in {path}, which everybody on this machine can read", f"chmod o-r {path}"
            )
        elif secret.file is None:
            yield at(item, key, "stands in the configuration itself", "Safer: !file PATH, or ${NAME}")
