"""`aami-hpc status`: the cluster on one screen."""

from __future__ import annotations

import click

from aami_hpc.cli.frame import Framed, app
from aami_hpc.cli.present import present


@click.command(cls=Framed, epilog="Example: aami-hpc status || echo 'something is down or drained'")
def command() -> None:
    """Show the cluster on one screen: controllers, nodes by state, what is down or drained and why.

    Ends with status 1 when a controller is down or silent, or a node is down or drained. Nodes that are
    powered down, powering up, planned or future are no failures.
    """
    from aami_hpc.actions.status import status

    present(status(app().settings()), app())
