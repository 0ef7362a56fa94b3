"""Pages that are generated from the code, and the check that they still tell the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aami_hpc import __version__
from aami_hpc.cli import root
from aami_hpc.cli.table import COMMANDS
from tests.docs import xid_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
_WIDTH = 100


def pages() -> dict[Path, str]:
    """Every generated page and what has to be in it."""
    catalogue = {DOCS / "xid" / name: text for name, text in xid_pages.pages().items()}
    return {DOCS / "commands.md": _commands(), DOCS / "aami-hpc.1": _manual(), **catalogue}


def stale() -> list[Path]:
    """Pages of codes that are gone."""
    return sorted(set((DOCS / "xid").glob("*.md")) - set(pages()))


def _tree() -> Iterator[tuple[str, click.Command]]:
    yield "aami-hpc", root
    top = click.Context(root, info_name="aami-hpc")
    for row in COMMANDS:
        command = root.get_command(top, row.name)
        assert command is not None
        yield from _below(f"aami-hpc {row.name}", command)


def _below(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _below(f"{path} {name}", command.commands[name])


def _context(path: str, command: click.Command) -> click.Context:
    return click.Context(command, info_name=path, max_content_width=_WIDTH, terminal_width=_WIDTH)


def _commands() -> str:
    parts = [
        "# Commands\n\nWhat `--help` says, of every command. Made by `make docs`; a test keeps it true.\n"
    ]
    for path, command in _tree():
        text = command.get_help(_context(path, command))
        parts.append(f"\n## {path}\n\n```\n{text}\n```\n")
    return "".join(parts)


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in escaped)
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.splitlines())


def _manual() -> str:
    lines = [
        f'.TH AAMI\\-HPC 1 "" "aami\\-hpc {__version__}" "User Commands"',
        ".SH NAME",
        "aami\\-hpc \\- monitoring, health and on\\-call help for Slurm GPU clusters",
        ".SH SYNOPSIS",
        ".B aami\\-hpc",
        "[OPTIONS] COMMAND [ARGS]...",
        ".SH COMMANDS",
    ]
    for path, command in _tree():
        lines += [".SS " + _roff(path), ".nf", _roff(command.get_help(_context(path, command))), ".fi"]
    lines += [
        ".SH EXIT STATUS",
        "0 done or healthy, 1 the answer is no, 2 wrong usage, 10 and above one per error (docs/errors.md).",
        ".SH FILES",
        "/etc/aami\\-hpc/config.yaml, ~/.config/aami\\-hpc/config.yaml",
    ]
    return "\n".join(lines) + "\n"
