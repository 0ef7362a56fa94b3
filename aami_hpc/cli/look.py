"""`aami-hpc look`: what is here, before anything is configured."""

from __future__ import annotations

import click

from aami_hpc.cli.frame import Framed, app
from aami_hpc.cli.present import present


@click.command(cls=Framed, epilog="Example: aami-hpc look --ssh 'gpu-[001-004]'")
@click.option(
    "--ssh",
    metavar="[RANGE]",
    is_flag=False,
    flag_value="",
    default=None,
    help="Also look at nodes over SSH: those of RANGE, or all. Without it no connection is made.",
)
def command(ssh: str | None) -> None:
    """Look around: Slurm, this machine, and what monitors it already.

    Needs no root and no configuration, and writes nothing. Every line names the file or command it came from.
    """
    from aami_hpc.actions.look import look

    running = app()
    present(look(running.settings(), ssh=ssh, progress=running.progress()), running)
