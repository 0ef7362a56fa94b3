"""`aami-hpc init`: write a configuration from what `look` sees."""

from __future__ import annotations

import click

from aami_hpc.cli.frame import Framed, app
from aami_hpc.cli.present import present


@click.command(cls=Framed, epilog="Example: aami-hpc init --interactive")
@click.option(
    "--force", is_flag=True, help="Overwrite a configuration; the old file is kept as NAME.previous."
)
@click.option(
    "-i", "--interactive", is_flag=True, help="Ask about every choice, with our own as the default."
)
def command(*, force: bool, interactive: bool) -> None:
    """Write a configuration from what `look` sees, and say what was chosen and why.

    Writes to --config FILE, else /etc/aami-hpc/config.yaml for root and ~/.config/aami-hpc/config.yaml for
    others. Without Slurm it configures this machine alone.
    """
    from aami_hpc.actions.init import init

    running = app()
    present(init(running.config_path, force=force, choose=_ask if interactive else None), running)


def _ask(key: str, value: str, source: str) -> str:
    """The answer of the person at the terminal; on standard error, so that --json stays clean."""
    from aami_hpc.render.escape import for_terminal

    question = for_terminal(f"{key} (from {source})")
    answer: str = click.prompt(question, default=value, err=True, show_default=True)
    return answer
