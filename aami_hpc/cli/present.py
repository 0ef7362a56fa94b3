"""Show a result: JSON when asked for, a drawn document on a terminal, plain text anywhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from aami_hpc.actions.result import Result
    from aami_hpc.cli.context import App


def present(result: Result, app: App) -> None:
    """Print the result and leave with status 1 when its answer is no."""
    if app.json:
        import json

        json.dump(result.data, sys.stdout, indent=2)
        sys.stdout.write("\n")
    elif sys.stdout.isatty():
        from aami_hpc.render.terminal import show

        show(result.document, sys.stdout, color=app.color(sys.stdout))
    else:
        from aami_hpc.render.plain import to_text

        sys.stdout.write(to_text(result.document))
    if not result.yes:
        raise click.exceptions.Exit(1)
