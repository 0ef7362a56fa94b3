"""The frame around every command: global options anywhere, the lazy table, near misses named."""

from __future__ import annotations

import importlib
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from aami_hpc.cli.context import App
from aami_hpc.cli.table import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.shell_completion import CompletionItem as Completion

    from aami_hpc.cli.table import Row


def app() -> App:
    """The App of the running command."""
    found = click.get_current_context().find_root().obj
    if not isinstance(found, App):
        raise TypeError(found)
    return found


def _remember(
    attribute: str, value_of: Callable[[Any], Any]
) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        carried = ctx.find_root().ensure_object(App)
        if value is not None and value is not False and value != 0:
            setattr(carried, attribute, value_of(value))

    return callback


# Names, attribute of App, what it is set to, and click's own words for the option.
_GLOBALS: tuple[tuple[list[str], str, Callable[[Any], Any], dict[str, Any]], ...] = (
    (
        ["--config"],
        "config_file",
        str,
        {
            "metavar": "FILE",
            "help": "Configuration file, instead of $AAMI_CONFIG or /etc/aami-hpc/config.yaml.",
        },
    ),
    (["--json"], "json", bool, {"is_flag": True, "help": "Print JSON with stable keys."}),
    (["-v", "--verbose"], "verbosity", int, {"count": True, "help": "Say more; tracebacks of errors."}),
    (
        ["-q", "--quiet"],
        "verbosity",
        lambda _: -1,
        {"is_flag": True, "help": "No progress and no remarks."},
    ),
    (["--no-color"], "no_color", bool, {"is_flag": True, "help": "No colours (also $NO_COLOR)."}),
)


def _global_options() -> list[click.Option]:
    """Fresh option objects: they stand on every command, so that their place does not matter."""
    return [
        click.Option(
            names, expose_value=False, is_eager=True, callback=_remember(attribute, value_of), **words
        )
        for names, attribute, value_of, words in _GLOBALS
    ]


class Framed(click.Command):
    """A command with the global options in a section of their own."""

    context_settings: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._globals = _global_options()
        self.params = [*self.params, *self._globals]
        self.context_settings = {"help_option_names": ["-h", "--help"], **self.context_settings}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [
            param
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and param not in self._globals
        ]
        for title, params in (("Options", own), ("Global options", self._globals)):
            records = [record for param in params if (record := param.get_help_record(ctx))]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class FramedGroup(Framed, click.Group):
    """A group whose subcommands are framed too."""

    command_class = Framed

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        Framed.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of that name."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            nearest = near(name, self.list_commands(ctx))
            hint = f" Did you mean '{nearest}'?" if nearest else ""
            raise click.UsageError(f"There is no command '{name}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(FramedGroup):
    """The top of the command: known from the table, imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [row.name for row in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        row = _row(cmd_name)
        if row is None:
            return None
        loaded = importlib.import_module(row.module).command
        if not isinstance(loaded, click.Command):
            raise TypeError(row)
        return loaded

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        width = max(len(row.name) for row in COMMANDS)
        for title, rows in groupby(COMMANDS, key=lambda row: row.group):
            with formatter.section(title):
                formatter.write_dl([(row.name.ljust(width), row.summary) for row in rows])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Completion]:
        """Complete from the table alone: the default imports every command to ask whether it is hidden."""
        from click.shell_completion import CompletionItem

        rows = [row for row in COMMANDS if row.name.startswith(incomplete)]
        names = [CompletionItem(row.name, help=row.summary) for row in rows]
        return names + click.Command.shell_complete(self, ctx, incomplete)


def _row(name: str) -> Row | None:
    return next((row for row in COMMANDS if row.name == name), None)


def near(word: str, known: Sequence[str]) -> str:
    """The known word nearest to `word`, or nothing."""
    import difflib

    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.5)), "")
