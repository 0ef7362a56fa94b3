"""Set one value in the configuration file: under a lock, checked as a whole, written at once, read back."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aami_hpc.config import keys
from aami_hpc.config.edit import changed
from aami_hpc.config.examine import examine
from aami_hpc.config.rewrite import rewrite, target
from aami_hpc.config.tree import Item, find
from aami_hpc.errors import ConfigError, ConfigInvalid, StorageFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from aami_hpc.config.examine import Examined


@dataclass(frozen=True, slots=True)
class Change:
    """What was done. `before` is where the version before is kept; None when there was no file.

    `literal`: what was set is a secret, and it stands in the file.
    """

    path: Path
    line: int
    before: Path | None
    literal: bool


def set_value(
    explicit: Path | None, parts: tuple[str, ...], value: str, environ: Mapping[str, str] | None = None
) -> Change:
    """Write the value to the main file in force, or to a new file where one is looked for first."""
    environ = os.environ if environ is None else environ
    path = target(explicit, environ)
    done = rewrite(
        path,
        lambda text: changed(text, path, parts, value),
        environ,
        lambda examined: _refuse_bad(examined, path, parts),
    )
    now = examine(path, environ=environ)
    found = find(now.tree, parts)
    if found is None:
        raise StorageFault(f"{keys.join(parts)} is not in {path} after writing it", hint="Look at the file")
    literal = any(secret.literal and key == keys.join(parts) for key, _, secret in now.secrets)
    return Change(path, found.line, done.before, literal)


def _refuse_bad(examined: Examined, path: Path, parts: tuple[str, ...]) -> None:
    """Raise when the configuration would be wrong, or another file would win over this one."""
    key = keys.join(parts)
    for problem in examined.problems:
        own = problem.key == key or problem.key.startswith(f"{key}.")
        what = problem.what if own else f"{key} can't be set: at {problem.where}, {problem.what}"
        raise ConfigInvalid(what, cause="Nothing was written", hint=problem.hint)
    found = find(examined.tree, parts)
    for item in _leaves(found):
        if item.file != path:
            raise ConfigError(
                f"{key} is set at {item.where}, which wins over {path}",
                cause="Nothing was written",
                hint=f"Change it in {item.file}",
            )


def _leaves(item: Item | None) -> Iterator[Item]:
    if item is None:
        return
    children: Sequence[Item] = list(item.value.values()) if isinstance(item.value, dict) else ()
    if not children:
        yield item
    for child in children:
        yield from _leaves(child)
