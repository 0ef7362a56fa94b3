"""`aami-hpc hooks doctor`: what in Slurm's configuration would hurt the hooks, and the lines to write instead."""

from __future__ import annotations

import click

from aami_hpc.cli.frame import Framed, app
from aami_hpc.cli.present import present


@click.command("doctor", cls=Framed, epilog="Example: aami-hpc hooks doctor")
@click.argument("expression", metavar="[RANGE]", required=False)
def command(expression: str | None) -> None:
    """Explain what in Slurm hurts the hooks, propose lines.

    Reads `scontrol show config`, as any user, and tells every pitfall between this site's Slurm and the hooks. Asks the
    nodes of RANGE (default: all) over SSH for what only they can show; an ordinary user without a configuration asks
    none unless RANGE names it. Exact lines for slurm.conf are proposed when every node is ready for them, and tried on
    a copy. Nothing is ever written into Slurm's files. Status 1 when there is a problem.
    """
    from aami_hpc.actions import hooks_doctor
    from aami_hpc.actions.hooks_doctor_facts import Asking

    running = app()
    present(hooks_doctor.run(Asking(running.settings(), expression, progress=running.progress())), running)
