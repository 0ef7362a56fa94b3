"""`aami-hpc completion SHELL`: the script that makes a shell complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from aami_hpc.cli.frame import Framed


@click.command(
    cls=Framed,
    epilog="Example: aami-hpc completion bash > /etc/bash_completion.d/aami-hpc",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL."""
    from aami_hpc.cli import root

    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"No completion for {shell}")
    click.echo(completer(root, {}, "aami-hpc", "_AAMI_HPC_COMPLETE").source())
