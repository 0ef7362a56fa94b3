"""Which files are the configuration: the one named, else the user's own, else the system's, and its drop-ins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.errors import ConfigNotFound
from aami_hpc.io.files import storage_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM = Path("/etc/aami-hpc/config.yaml")
USER = Path(".config/aami-hpc/config.yaml")  # below the home folder, for everyone but root
VARIABLE = "AAMI_CONFIG"


def named(explicit: Path | None, environ: Mapping[str, str]) -> tuple[Path, str] | None:
    """The file somebody asked for, and how."""
    if explicit is not None:
        return explicit, "--config"
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE]), f"${VARIABLE}"
    return None


def usual(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where the configuration is looked for when nobody names it, best first."""
    home = environ.get("HOME", "")
    if os.geteuid() == 0 or not home.startswith("/"):
        return (SYSTEM,)
    return (Path(home) / USER, SYSTEM)


def main_file(explicit: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The main file in force; it may be missing while drop-ins stand beside it. None: built-in defaults."""
    asked = named(explicit, environ)
    if asked is None:
        return next((path for path in usual(environ) if there(path) or drop_ins(path)), None)
    path, how = asked
    if not there(path):
        raise ConfigNotFound(
            f"There is no configuration at {path}",
            cause=f"It was named by {how}",
            hint="Correct the path, or make one with: aami-hpc init",
        )
    return path


def drop_ins(main: Path) -> tuple[Path, ...]:
    """The drop-ins beside a main file, in the order in which they are laid over it."""
    folder = main.parent / "config.d"
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise storage_fault(error, folder, "read") from error
    return tuple(path for path in found if path.suffix == ".yaml" and not path.name.startswith("."))


def there(path: Path) -> bool:
    """Whether something stands at the path; a folder we may not look into is an error, not a no."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        return False
    except OSError as error:
        raise storage_fault(error, path, "read") from error
    return True
