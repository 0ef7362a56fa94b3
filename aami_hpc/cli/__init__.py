"""The `aami-hpc` command. Importing this, and `--help`, cost click and nothing else."""

from __future__ import annotations

import os
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
    """Run the command; every end of it leads through here.

    Not by click's own main(): that one ends the process itself for a broken pipe, and calls it a failure.
    """
    from aami_hpc.cli.ending import ended

    app = App()
    with ended(app):
        _complete()
        with root.make_context("aami-hpc", sys.argv[1:], obj=app) as context:
            root.invoke(context)
    sys.exit(0)


def _complete() -> None:
    """Answer a shell that asks what may come next, and end."""
    asked = os.environ.get("_AAMI_HPC_COMPLETE")
    if asked:
        from click.shell_completion import shell_complete

        raise click.exceptions.Exit(shell_complete(root, {}, "aami-hpc", "_AAMI_HPC_COMPLETE", asked))
