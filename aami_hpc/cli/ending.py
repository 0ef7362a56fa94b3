"""How a run ends: the one place that turns exceptions into one line, and into an exit status."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aami_hpc.cli.context import App
    from aami_hpc.errors import AamiError

_INTERRUPTED = 130
_BROKEN_PIPE = 141
_USAGE = 2


@contextmanager
def ended(app: App) -> Iterator[None]:
    """Run the body and leave the process with the right status, whatever happens in it."""
    try:
        yield
        sys.stdout.flush()
    except click.exceptions.Exit as leaving:
        _leave(leaving.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print("\naami-hpc: interrupted", file=sys.stderr)
        _leave(_INTERRUPTED)
    except BrokenPipeError:
        # The reader went away: nobody is left to tell. Keep the interpreter from telling at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(_BROKEN_PIPE)
    except click.exceptions.NoArgsIsHelpError as asked:
        print(asked.format_message())
        _leave(0)
    except click.UsageError as wrong:
        _usage(wrong, app)
    except Exception as error:  # noqa: BLE001 - the one place where everything is told
        _failed(error, app)


def _leave(status: int) -> NoReturn:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _usage(wrong: click.UsageError, app: App) -> NoReturn:
    from aami_hpc.errors import UsageFault

    path = wrong.ctx.command_path if wrong.ctx else "aami-hpc"
    _tell(UsageFault(wrong.format_message(), hint=f"See {path} --help."), app)
    sys.exit(_USAGE)


def _failed(error: Exception, app: App) -> NoReturn:
    from aami_hpc.errors import AamiError, InternalError

    if app.verbosity > 0:
        import traceback

        traceback.print_exc()
    if not isinstance(error, AamiError):
        error = InternalError(
            f"This is a defect of aami-hpc: {type(error).__name__}: {error}",
            hint="Run it again with --verbose and report what it prints",
        )
    _tell(error, app)
    sys.exit(error.exit_status)


def _tell(error: AamiError, app: App) -> None:
    """One line on standard error: what, why, what to do. With --json the same as an object."""
    from aami_hpc.render.escape import for_terminal

    if app.json:
        import json

        print(json.dumps({"error": error.as_dict()}), file=sys.stderr)
        return
    line = for_terminal(f"aami-hpc: error[{error.reference}]: {error}")
    if app.color(sys.stderr):
        line = line.replace(f"error[{error.reference}]", f"\x1b[1;31merror[{error.reference}]\x1b[0m", 1)
    print(line, file=sys.stderr)
