"""Ask before an action on many nodes: their number has to be typed back, or given as `--yes=N`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_REFUSED = 1

yes_option = click.option(
    "--yes",
    type=click.IntRange(min=0),
    metavar="N",
    help="Go ahead without a question if exactly N nodes are meant.",
)


def confirm(names: Sequence[str], what: str, *, limit: int, yes: int | None) -> None:
    """Return when the action may go ahead; leave the command when it may not.

    `what` is the action as an order, such as `Remove from the configuration`. Up to `limit` nodes nobody is asked.
    The answer is the number of nodes: who types it has read it.
    """
    from aami_hpc.errors import UsageFault
    from aami_hpc.fleet.nodeset import fold

    count = len(names)
    if yes is not None and yes != count:
        raise UsageFault(
            f"--yes={yes} does not fit: {count} nodes are meant, {fold(names)}",
            cause="Nothing was done",
            hint=f"If that is right, write --yes={count}",
        )
    if yes is not None or count <= limit:
        return
    if not sys.stdin.isatty():
        raise UsageFault(
            f"{what}: {count} nodes need a confirmation, and there is no terminal to ask on",
            cause=f"More than {limit} nodes (access.max_nodes_per_action) are meant: {fold(names)}",
            hint=f"If that is right, add --yes={count}",
        )
    if not _agreed(count, f"{what}: {fold(names)}"):
        click.echo("Nothing was done.", err=True)
        raise click.exceptions.Exit(_REFUSED)


def _agreed(count: int, question: str) -> bool:
    """Whether the number that is typed is the number of nodes."""
    from aami_hpc.render.escape import for_terminal

    click.echo(for_terminal(question), err=True)
    click.echo(f"These are {count} nodes. Type their number to go ahead: ", err=True, nl=False)
    return sys.stdin.readline().strip() == str(count)
