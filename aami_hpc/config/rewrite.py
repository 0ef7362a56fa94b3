"""Change the text of the configuration in force: under its lock, checked as a whole, written at once, read back."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.config import places
from aami_hpc.config.examine import Examined, examine
from aami_hpc.config.lock import locked
from aami_hpc.config.reader import SIZE_LIMIT
from aami_hpc.errors import ConfigInvalid, ConfigNotFound, StorageFault
from aami_hpc.io.files import previous, read_text, write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MODE = 0o640


@dataclass(frozen=True, slots=True)
class Rewritten:
    """`before` is where the version before is kept; None when there was no file."""

    path: Path
    before: Path | None


def target(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """The main file in force, or the one that is made where one is looked for first."""
    asked = places.named(explicit, environ)
    if asked is None:
        return places.main_file(None, environ) or places.usual(environ)[0]
    path, how = asked
    if not path.absolute().parent.is_dir():
        raise ConfigNotFound(
            f"There is no folder {path.parent}", cause=f"It was named by {how}", hint="Make it"
        )
    return path


def refuse_problems(examined: Examined) -> None:
    """Raise when the configuration would be wrong."""
    for problem in examined.problems:
        raise ConfigInvalid(f"{problem.where} {problem.what}", cause="Nothing was written", hint=problem.hint)


def rewrite(
    path: Path,
    edit: Callable[[str], str],
    environ: Mapping[str, str],
    refuse: Callable[[Examined], None] = refuse_problems,
) -> Rewritten:
    """Put `edit` of the file's text in its place, unless `refuse` raises. `edit` sees the text under the lock."""
    if path.exists() and not path.is_file():
        raise StorageFault(f"{path} is no file that can be written", hint="Name a regular file with --config")
    with locked(Path(os.path.realpath(path))):
        old = read_text(path, SIZE_LIMIT) if path.exists() else None
        text = edit(old or "")
        refuse(examine(environ=environ, instead=(path, text)))
        write_atomic(path, text, mode=MODE, keep_previous=True)
        if read_text(path, SIZE_LIMIT) != text:
            raise StorageFault(f"{path} does not hold what was written to it", hint="Look at the file")
    return Rewritten(path, None if old is None else previous(path))
