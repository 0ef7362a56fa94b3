"""Set one value in the configuration file: under a lock, checked as a whole, written at once, read back."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.config import keys, places
from aami_hpc.config.edit import changed
from aami_hpc.config.examine import examine
from aami_hpc.config.lock import locked
from aami_hpc.config.reader import SIZE_LIMIT
from aami_hpc.config.tree import Item, find
from aami_hpc.errors import ConfigError, ConfigInvalid, ConfigNotFound, StorageFault
from aami_hpc.io.files import previous, read_text, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aami_hpc.config.examine import Examined

MODE = 0o640


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
    path = _target(explicit, environ)
    if path.exists() and not path.is_file():
        raise StorageFault(f"{path} is no file that can be written", hint="Name a regular file with --config")
    with locked(Path(os.path.realpath(path))):
        old = read_text(path, SIZE_LIMIT) if path.exists() else None
        text = changed(old or "", path, parts, value)
        _refuse_bad(examine(environ=environ, instead=(path, text)), path, parts)
        write_atomic(path, text, mode=MODE, keep_previous=True)
        now = examine(path, environ=environ)
    found = find(now.tree, parts)
    if found is None:
        raise StorageFault(f"{keys.join(parts)} is not in {path} after writing it", hint="Look at the file")
    literal = any(secret.literal and key == keys.join(parts) for key, _, secret in now.secrets)
    return Change(path, found.line, None if old is None else previous(path), literal)


def _target(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """The file to change. A file that was named may be new, in a folder that is there."""
    asked = places.named(explicit, environ)
    if asked is None:
        return places.main_file(None, environ) or places.usual(environ)[0]
    path, how = asked
    if not path.absolute().parent.is_dir():
        raise ConfigNotFound(
            f"There is no folder {path.parent}", cause=f"It was named by {how}", hint="Make it"
        )
    return path


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
