"""`aami-hpc xid`: the catalogue as a whole."""

from __future__ import annotations

import click

from aami_hpc.cli.frame import FramedGroup, app
from aami_hpc.cli.present import present
from aami_xid.guide.words import ACTIONS, AFFECTS, SEVERITIES


@click.group(cls=FramedGroup, epilog="Example: aami-hpc xid list --search 'fell off the bus'")
def command() -> None:
    """List, search and export the catalogue of Xids and SXids."""


@command.command("list", epilog="Example: aami-hpc xid list --affects node --severity fatal")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only codes this severe.")
@click.option("--affects", type=click.Choice(tuple(AFFECTS)), help="Only codes that hit this.")
@click.option("--action", type=click.Choice(tuple(ACTIONS)), help="Only codes that need this.")
@click.option("--search", metavar="WORDS", help="Only codes with all of these words, the best first.")
@click.option(
    "--kind",
    type=click.Choice(["xid", "sxid", "all"]),
    default="xid",
    show_default=True,
    help="Of GPUs (xid), NVSwitches (sxid) or both.",
)
def list_(
    severity: str | None, affects: str | None, action: str | None, search: str | None, kind: str
) -> None:
    """List codes. Status 1 when none fits."""
    from aami_hpc.actions import xid_list

    kinds = ("xid", "sxid") if kind == "all" else (kind,)
    result = xid_list.run(
        kinds, severity=severity or "", affects=affects or "", action=action or "", search=search or ""
    )
    present(result, app())


@command.command(epilog="Example: aami-hpc xid export --format html > xid.html")
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "json", "html"]),
    default="md",
    show_default=True,
    help="What to write.",
)
def export(form: str) -> None:
    """Print the whole catalogue as Markdown, JSON or one HTML page."""
    from aami_hpc.actions import xid_export

    present(xid_export.run(form), app())
