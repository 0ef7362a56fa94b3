"""`aami-hpc nodes`: the inventory, and whether its nodes can be reached."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aami_hpc.cli.confirm import yes_option
from aami_hpc.cli.frame import FramedGroup, app
from aami_hpc.cli.present import present

if TYPE_CHECKING:
    from collections.abc import Sequence

_RANGE_HELP = (
    "RANGE is a node set: gpu[001-016], gpu1,gpu2, @partition:gpu, @state:drain, gpu[1-8]!gpu3 "
    "(, or, ! without, & and, ^ either)."
)


@click.group(cls=FramedGroup, epilog="Example: aami-hpc nodes list --where 'state=drain partition=gpu'")
def command() -> None:
    """List, show, add, remove and test nodes.

    Nodes come from Slurm and from `nodes` in the configuration; where both say something, the configuration
    wins.
    """


@command.command(
    "list",
    epilog="Example: aami-hpc nodes list '@partition:gpu!@state:idle' --where 'rack=r12'",
    help=f"List nodes, equal ones folded into one row.\n\n{_RANGE_HELP}",
)
@click.argument("expression", metavar="[RANGE]", required=False)
@click.option(
    "--where",
    metavar="CONDITIONS",
    help="Only nodes for which all of these are true: KEY=VALUE[,VALUE] or KEY!=VALUE, apart by spaces. Keys: "
    "name, state, partition, gpus, model, address, arch, slurm_version, group sources and labels.",
)
@click.option("--all", "--unfolded", "unfolded", is_flag=True, help="One row for each node.")
def list_(expression: str | None, where: str | None, *, unfolded: bool) -> None:
    from aami_hpc.actions import nodes_list
    from aami_hpc.io.run import SystemRunner

    result = nodes_list.run(
        app().settings(),
        SystemRunner(),
        os.environ,
        expression=expression,
        where=where,
        unfolded=unfolded,
        warn=_warn if app().json else None,
    )
    present(result, app())


@command.command(epilog="Example: aami-hpc nodes show gpu001")
@click.argument("node")
def show(node: str) -> None:
    """Show all that is known about NODE, and where each piece comes from."""
    from aami_hpc.actions import nodes_show
    from aami_hpc.io.run import SystemRunner

    present(
        nodes_show.run(
            app().settings(), SystemRunner(), os.environ, node, warn=_warn if app().json else None
        ),
        app(),
    )


@command.command(epilog="Example: aami-hpc nodes add gpu-009 --ip 10.0.0.9 --gpus 8 --label rack=r12")
@click.argument("name", required=False)
@click.option("--ip", metavar="ADDRESS", help="IP address or host name to connect to.")
@click.option("--gpus", type=click.IntRange(min=0, max=1024), metavar="N", help="How many GPUs it has.")
@click.option("--model", metavar="MODEL", help="Which GPUs, such as h100.")
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label of your own; repeatable."
)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Add all nodes of a file: `name ip [key=value…]` a line, # begins a comment.",
)
def add(
    *,
    name: str | None,
    ip: str | None,
    gpus: int | None,
    model: str | None,
    labels: tuple[str, ...],
    path: Path | None,
) -> None:
    """Write nodes into the configuration: the node NAME, or all of a file, or none if one line is bad."""
    from aami_hpc.actions import nodes_add
    from aami_hpc.fleet.hosts import NotAHost, pair

    carried = app()
    given = (name, ip, gpus, model, labels or None)
    if path is not None:
        if any(value is not None for value in given):
            raise click.UsageError("--file stands alone: the file says all about its nodes")
        present(nodes_add.file(carried.settings(), carried.config_path, os.environ, path=path), carried)
        return
    if not name or not ip:
        raise click.UsageError("Give NAME and --ip, or --file")
    pairs = [("gpus", str(gpus))] if gpus is not None else []
    pairs += [("model", model)] if model is not None else []
    try:
        pairs += map(pair, labels)
    except NotAHost as error:
        raise click.BadParameter(str(error), param_hint="--label") from error
    result = nodes_add.one(
        carried.settings(), carried.config_path, os.environ, name=name, address=ip, pairs=pairs
    )
    present(result, carried)


@command.command(epilog="Example: aami-hpc nodes remove 'gpu-[009-012]' --yes=4")
@click.argument("expression", metavar="RANGE")
@yes_option
def remove(expression: str, yes: int | None) -> None:
    """Take the nodes of RANGE out of the configuration.

    A range that is removed in part keeps the other nodes. Nodes that Slurm defines can't be removed here.
    """
    from aami_hpc.actions import nodes_remove
    from aami_hpc.cli.confirm import confirm
    from aami_hpc.io.run import SystemRunner

    carried = app()
    settings = carried.settings()

    def asked(names: Sequence[str]) -> None:
        limit = settings.access.max_nodes_per_action
        confirm(names, "Remove from the configuration", limit=limit, yes=yes)

    result = nodes_remove.run(
        settings, carried.config_path, SystemRunner(), os.environ, expression=expression, confirm=asked
    )
    present(result, carried)


@command.command(epilog="Example: aami-hpc nodes test '@partition:gpu'")
@click.argument("expression", metavar="[RANGE]", required=False)
@click.option(
    "--accept-new-host-keys", is_flag=True, help="Trust and remember keys of hosts never seen before."
)
def test(expression: str | None, *, accept_new_host_keys: bool) -> None:
    """Log in to the nodes of RANGE (default: all) by SSH, and tell apart what does not work.

    Nodes that are powered down, powering up or down, planned or future are left out.
    """
    from aami_hpc.actions import nodes_test
    from aami_hpc.fleet.gather import gather
    from aami_hpc.io.run import SystemRunner

    carried = app()
    settings = carried.settings()
    gathered = gather(settings, SystemRunner(), os.environ)
    if gathered.remark:
        _warn(gathered.remark)
    result = nodes_test.run(
        settings,
        gathered.chosen(expression),
        accept_new_host_keys=accept_new_host_keys,
        progress=carried.progress(),
    )
    present(result, carried)


def _warn(remark: str) -> None:
    """What neither JSON on standard output nor a table of outcomes can say."""
    from aami_hpc.render.escape import for_terminal

    click.echo(for_terminal(f"aami-hpc: warning: {remark}"), err=True)
