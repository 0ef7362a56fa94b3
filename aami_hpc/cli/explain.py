"""`aami-hpc explain`: what a code, a line or a whole log means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aami_hpc.cli.frame import FramedGroup, app
from aami_hpc.cli.present import present

if TYPE_CHECKING:
    from collections.abc import Callable


class ExplainGroup(FramedGroup):
    """A first word that is no subcommand may be a code or a pasted line: both are explained."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from aami_xid.guide.ask import is_line

        known = self.get_command(ctx, args[0]) is not None
        if not known and (args[0].isdigit() or is_line(args[0])):
            return super().resolve_command(ctx, ["line", *args])
        return super().resolve_command(ctx, args)


def _told(function: Callable[..., None]) -> Callable[..., None]:
    """The options of every explanation."""
    brief = click.option("--brief", is_flag=True, help="Meaning, causes and what to do now, no more.")
    model = click.option(
        "--model", metavar="MODEL", default="", help="What differs on this GPU, such as H100."
    )
    return model(brief(function))


@click.group(cls=ExplainGroup, epilog="Example: aami-hpc explain xid 79")
def command() -> None:
    """Explain a GPU error: a code, a line of the kernel log, or a whole log.

    A line may stand right after `explain`, in quotes: aami-hpc explain 'NVRM: Xid (PCI:0000:c1:00): 79, …'
    """


@command.command(epilog="Example: aami-hpc explain xid 48 63 94 --model A100")
@click.argument("codes", metavar="CODE…", nargs=-1, required=True)
@_told
def xid(codes: tuple[str, ...], *, model: str, brief: bool) -> None:
    """Explain Xids. Several are told as the story they make, its root first.

    Status 1 when a code is in no catalogue.
    """
    from aami_hpc.actions import explain

    present(explain.codes("xid", codes, model=model, brief=brief), app())


@command.command(epilog="Example: aami-hpc explain sxid 20034")
@click.argument("codes", metavar="CODE…", nargs=-1, required=True)
@_told
def sxid(codes: tuple[str, ...], *, model: str, brief: bool) -> None:
    """Explain SXids: errors of NVSwitches. Status 1 when a code is in no catalogue."""
    from aami_hpc.actions import explain

    present(explain.codes("sxid", codes, model=model, brief=brief), app())


@command.command(
    epilog="Example: aami-hpc explain line 'NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus.'"
)
@click.argument("lines", metavar="LINE…", nargs=-1, required=True)
@_told
def line(lines: tuple[str, ...], *, model: str, brief: bool) -> None:
    """Explain pasted lines of a kernel log, each in quotes."""
    from aami_hpc.actions import explain

    present(explain.lines(lines, model=model, brief=brief), app())


@command.command(epilog="Example: dmesg | aami-hpc explain log -")
@click.argument("files", metavar="[FILE… | -]", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--since", metavar="TIME", help="Only from then on: 2026-11-20, '2026-11-20 03:00', 2h, 3d.")
@click.option("--until", metavar="TIME", help="Only up to then.")
@click.option("--gpu", metavar="BUS", help="Only faults of this GPU: c1:00 or 0000:c1:00.")
@click.option(
    "--year",
    type=click.IntRange(1990, 9999),
    help="For stamps without a year. Else the file's date tells it.",
)
@click.option("--journal", is_flag=True, help="Read this machine's journal, all boots of it.")
@click.option("--kmsg", is_flag=True, help="Read this machine's kernel buffer, as dmesg does.")
@click.option("--node", "nodes", metavar="RANGE", help="Read the journal of these nodes over SSH.")
def log(
    *,
    files: tuple[Path, ...],
    since: str | None,
    until: str | None,
    gpu: str | None,
    year: int | None,
    journal: bool,
    kmsg: bool,
    nodes: str | None,
) -> None:
    """Find the faults in kernel logs: which GPU, what happened, what it needs. The newest stands last.

    Any kernel log: dmesg, /var/log/messages, journalctl in every form; also gz, xz, bz2 and zst. Status 1 when
    something needs action, 0 when nothing does.
    """
    from aami_hpc.actions import explain_log
    from aami_hpc.actions.explain_sources import sources

    carried = app()
    asked = sources(
        carried.settings, files, journal=journal, kernel=kmsg, nodes=nodes, progress=carried.progress()
    )
    present(explain_log.run(asked, since=since, until=until, gpu=gpu, year=year, whole=carried.json), carried)
