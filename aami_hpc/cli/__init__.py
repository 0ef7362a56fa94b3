"""The `aami-hpc` command. Importing this, and `--help`, cost click and nothing else."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from aami_hpc import __version__
from aami_hpc.cli.context import App
from aami_hpc.cli.frame import LazyGroup


@click.group(
    cls=LazyGroup,
    name="aami-hpc",
    epilog="Example: aami-hpc look        Manual: docs/ in the source, one page per task",
)
@click.version_option(__version__, prog_name="aami-hpc", message="%(prog)s %(version)s")
def root() -> None:
    """Monitoring, health and on-call help for Slurm GPU clusters."""


def main() -> NoReturn:
    """Run the command; every end of it leads through here."""
    from aami_hpc.cli.ending import ended

    app = App()
    with ended(app):
        root.main(prog_name="aami-hpc", standalone_mode=False, obj=app)
    sys.exit(0)
