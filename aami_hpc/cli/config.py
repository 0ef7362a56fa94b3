"""`aami-hpc config`: check, show and change the configuration."""

from __future__ import annotations

import click

from aami_hpc.cli.frame import FramedGroup, app
from aami_hpc.cli.present import present


@click.group(cls=FramedGroup, epilog="Example: aami-hpc config check --live")
def command() -> None:
    """Check, show and change the configuration.

    It is read from --config FILE, else $AAMI_CONFIG, else ~/.config/aami-hpc/config.yaml (not for root), else
    /etc/aami-hpc/config.yaml, with the drop-ins config.d/*.yaml beside it. Without a file, built-in defaults.
    """


@command.command(epilog="Example: aami-hpc --config new.yaml config check --live")
@click.option("--live", is_flag=True, help="Also ask Slurm, and look at the files that `ssh` names.")
def check(*, live: bool) -> None:
    """Check the configuration: syntax, keys, types, ranges, secrets. Status 1 when something is wrong."""
    from aami_hpc.actions.config import check as checked

    present(checked(app().config_path, live=live), app())


@command.command(epilog="Example: aami-hpc config show --origin")
@click.option("--origin", is_flag=True, help="Say of every value where it comes from.")
def show(*, origin: bool) -> None:
    """Show the settings in force, as YAML. Secrets are shown as ***."""
    from aami_hpc.actions.config import show as shown

    present(shown(app().settings(), origin=origin), app())


@command.command(epilog="Example: ls -l $(aami-hpc config path)")
def path() -> None:
    """Print the files in force, the main file first."""
    from aami_hpc.actions.config import path as paths

    present(paths(app().config_path), app())


@command.command(epilog="Example: aami-hpc config get ssh.connect_timeout")
@click.argument("key")
def get(key: str) -> None:
    """Print the value of KEY in force, such as ssh.user."""
    from aami_hpc.actions.config import get as got

    present(got(app().settings(), key), app())


@command.command(
    "set",
    epilog="Example: aami-hpc config set 'nodes.gpu-[001-128].gpus' 8",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("key")
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Set KEY to VALUE in the main file.

    VALUE is YAML on one line: text, a number, true, [a, b], {k: v}, '!file PATH'. The file keeps its comments
    and order, and the version before beside it. Nothing is written unless the whole configuration stays valid.
    """
    from aami_hpc.actions.config import set_value

    present(set_value(app().config_path, key, value), app())


@command.command(epilog="Example: aami-hpc config schema > ~/.config/aami-hpc.schema.json")
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from aami_hpc.actions.config import schema as described

    present(described(), app())
