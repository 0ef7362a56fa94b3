"""Where the data folders are: beside the packages in a clone, inside the package in a wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from aami_hpc.errors import DamagedInstallation

_PACKAGE = Path(__file__).resolve().parent


@cache
def share() -> Path:
    """The folder that holds presets/, xid/catalog/, etc/, slurm/conf/ and slurm/schema/."""
    for root in (_PACKAGE / "_share", _PACKAGE.parent):
        if (root / "presets").is_dir() and (root / "etc").is_dir():
            return root
    raise DamagedInstallation(
        "The data files of aami-hpc are missing",
        cause=f"Neither {_PACKAGE / '_share'} nor {_PACKAGE.parent} holds presets/ and etc/",
        hint="Install the package again: pip install --force-reinstall aami-hpc",
    )
