"""Every command of `aami-hpc`: one row each. `--help` reads this table and imports nothing of the rest."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """`module` is imported when the command runs, and holds a click command called `command`."""

    name: str
    group: str
    summary: str
    module: str


COMMANDS: tuple[Row, ...] = (
    Row(
        "look",
        "Start here",
        "Look around: Slurm, this machine, what monitors it already",
        "aami_hpc.cli.look",
    ),
    Row("init", "Start here", "Write a configuration from what `look` sees", "aami_hpc.cli.init"),
    Row("status", "Start here", "The cluster on one screen", "aami_hpc.cli.status"),
    Row("explain", "Explain", "What a GPU error means: a code, a line, a log", "aami_hpc.cli.explain"),
    Row("xid", "Explain", "List, search and export all Xids", "aami_hpc.cli.xid"),
    Row("nodes", "Nodes", "List, show, add, remove and test nodes", "aami_hpc.cli.nodes"),
    Row("hooks", "Nodes", "Put the hooks onto nodes, see what runs there", "aami_hpc.cli.hooks"),
    Row("config", "Settings", "Check, show and change the configuration", "aami_hpc.cli.config"),
    Row("completion", "Settings", "Print the completion script of your shell", "aami_hpc.cli.completion"),
)
