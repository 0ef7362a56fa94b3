"""The command as tests call it: in a process of its own, without this machine's configuration, and as nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.require import unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.lab.slurm import SlurmCluster

REPOSITORY = Path(__file__).parents[2]
_OTHERS_MAY = 0o005


def aami(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `aami-hpc` with these arguments and environment variables."""
    return _run([sys.executable, "-m", "aami_hpc", *arguments], environ)


def as_nobody(
    *arguments: str, environ: Mapping[str, str], before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """The same as the user nobody; `before` is put before the command line. Needs root."""
    folders = (REPOSITORY, *REPOSITORY.parents)
    if not all(folder.stat().st_mode & _OTHERS_MAY == _OTHERS_MAY for folder in folders):
        unavailable(f"{REPOSITORY} can't be read by other users")
    return _run([*before, sys.executable, "-m", "tests.cli.ordinary", *arguments], environ)


def plain_environ(**more: str) -> dict[str, str]:
    """The environment without this machine's own configuration."""
    kept = {name: value for name, value in os.environ.items() if name != "SLURM_CONF"}
    ours = {"AAMI_CONFIG": os.devnull, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **ours, **more}


def slurm_environ(cluster: SlurmCluster) -> dict[str, str]:
    """What leads Slurm's commands to the cluster."""
    return {name: cluster.env[name] for name in ("SLURM_CONF", "PATH")}


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=REPOSITORY,
        env=plain_environ(**environ),
    )
