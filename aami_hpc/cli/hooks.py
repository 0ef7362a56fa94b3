"""`aami-hpc hooks`: the node's side of the prolog, epilog and health hooks, from the head node."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aami_hpc.cli.confirm import yes_option
from aami_hpc.cli.frame import FramedGroup, app
from aami_hpc.cli.hooks_doctor import command as doctor
from aami_hpc.cli.present import present

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aami_hpc.config import Settings

_RANGE = click.argument("expression", metavar="[RANGE]", required=False)


@click.group(cls=FramedGroup, epilog="Example: aami-hpc hooks push 'gpu-[001-004]' --dry-run")
def command() -> None:
    """Put the hooks onto nodes, and see what runs there.

    A node keeps several generations of code and settings side by side; one link says which is in force. RANGE is a
    node set as everywhere; without it, all nodes of Slurm are meant. slurm.conf is never touched.
    """


@command.command(epilog="Example: aami-hpc hooks render /tmp/node --node gpu-001")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--node", metavar="NAME", help="Write this node name into it.")
def render(folder: Path, node: str | None) -> None:
    """Make the full tree of a node below DIR.

    For a look, or for the image of stateless nodes. With AAMI_ROOT=DIR in the environment the launchers in it run as
    on the node. Slurm need not answer: what could not be asked is said.
    """
    from aami_hpc.actions import hooks_render
    from aami_hpc.io.run import SystemRunner

    present(hooks_render.run(app().settings(), SystemRunner(), os.environ, folder, node=node), app())


@command.command(epilog="Example: aami-hpc hooks push '@partition:gpu' --yes=64")
@_RANGE
@click.option("--dry-run", is_flag=True, help="Do the same without a change, and say what would be done.")
@yes_option
def push(expression: str | None, *, dry_run: bool, yes: int | None) -> None:
    """Bring nodes to the hooks of this configuration.

    On each node of RANGE the new generation is checked, compiled with the node's Python and tried out before one link is
    switched; until then, and if anything fails, the generation before stays in force. Nodes that run it already are
    left alone.
    """
    from aami_hpc.actions import hooks_push
    from aami_hpc.io.run import SystemRunner

    carried = app()
    settings = carried.settings()
    result = hooks_push.run(
        settings,
        SystemRunner(),
        os.environ,
        expression=expression,
        dry_run=dry_run,
        confirm=_asking(settings, "Push hooks to", yes),
        progress=carried.progress(),
        root=_root(),
    )
    present(result, carried)


@command.command(epilog="Example: aami-hpc hooks status || echo 'some nodes differ'")
@_RANGE
def status(expression: str | None) -> None:
    """Show which generation runs where, and drift.

    Everything is read back from the nodes of RANGE: the link, the sum of every file, the launchers. Status 1 when a
    node runs something else than this configuration makes, was changed, or can't be reached.
    """
    from aami_hpc.actions import hooks_status
    from aami_hpc.io.run import SystemRunner

    carried = app()
    result = hooks_status.run(
        carried.settings(),
        SystemRunner(),
        os.environ,
        expression=expression,
        progress=carried.progress(),
        root=_root(),
    )
    present(result, carried)


@command.command(epilog="Example: aami-hpc hooks rollback gpu-001 --to 20261120T133000Z-1a2b3c4d")
@_RANGE
@click.option("--to", metavar="GENERATION", help="Which one, instead of the one before on each node.")
@yes_option
def rollback(expression: str | None, to: str | None, yes: int | None) -> None:
    """Put the generation before in force again.

    On each node of RANGE it must still be there and whole; it is compiled and tried out before the switch.
    """
    from aami_hpc.actions import hooks_rollback
    from aami_hpc.io.run import SystemRunner

    carried = app()
    settings = carried.settings()
    result = hooks_rollback.run(
        settings,
        SystemRunner(),
        os.environ,
        expression=expression,
        to=to,
        confirm=_asking(settings, "Switch back the hooks of", yes),
        progress=carried.progress(),
        root=_root(),
    )
    present(result, carried)


@command.command(epilog="Example: aami-hpc hooks remove gpu-001")
@_RANGE
@yes_option
def remove(expression: str | None, yes: int | None) -> None:
    """Take launchers and generations from nodes.

    Journal, ledger and inventory stay on the nodes of RANGE. Refused while slurm.conf names one of the launchers by its path: a Prolog that is missing on a node drains it.
    """
    from aami_hpc.actions import hooks_remove
    from aami_hpc.io.run import SystemRunner

    carried = app()
    settings = carried.settings()
    result = hooks_remove.run(
        settings,
        SystemRunner(),
        os.environ,
        expression=expression,
        confirm=_asking(settings, "Remove the hooks from", yes),
        progress=carried.progress(),
        root=_root(),
    )
    present(result, carried)


command.add_command(doctor)


def _asking(settings: Settings, what: str, yes: int | None) -> Callable[[Sequence[str]], None]:
    from aami_hpc.cli.confirm import confirm

    def asked(names: Sequence[str]) -> None:
        confirm(names, what, limit=settings.access.max_nodes_per_action, yes=yes)

    return asked


def _root() -> str:
    """Below which folder of the nodes everything is: the same seam as on nodes themselves."""
    return os.environ.get("AAMI_ROOT", "")
