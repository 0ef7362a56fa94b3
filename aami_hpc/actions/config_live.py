"""What only the running system can tell about a configuration: whether Slurm and the files it names agree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aami_hpc.config import keys
from aami_hpc.config.loading import settings_of
from aami_hpc.config.membership import unknown_to_slurm
from aami_hpc.config.problem import Problem
from aami_hpc.config.tree import find
from aami_hpc.errors import SlurmError
from aami_hpc.io.run import SystemRunner
from aami_hpc.slurm.client import open_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aami_hpc.config import Settings
    from aami_hpc.config.examine import Examined
    from aami_hpc.config.tree import Item
    from aami_hpc.slurm.client import SlurmClient


class Disagreements(NamedTuple):
    """What does not fit, and what may not."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def disagreements(examined: Examined, connect: Callable[[], SlurmClient] | None = None) -> Disagreements:
    """Ask Slurm for its nodes and look at the files of `ssh`. Tests pass a client of their own."""
    settings = settings_of(examined, os.environ)
    problems = [*_slurm(settings, examined.tree, connect), *_files(settings, examined.tree)]
    return Disagreements(tuple(problems), tuple(_unset_known_hosts(settings)))


def _slurm(settings: Settings, tree: Item, connect: Callable[[], SlurmClient] | None) -> Iterator[Problem]:
    try:
        client = connect() if connect else open_client(settings.slurm, SystemRunner(), os.environ)
        known = frozenset(node.name for node in client.nodes())
    except SlurmError as error:
        what = f"{error.message}. {error.cause}" if error.cause else error.message
        yield Problem("Slurm", 0, "slurm", what, error.hint, error.reference)
        return
    yield from unknown_to_slurm(tree, known)


def _files(settings: Settings, tree: Item) -> Iterator[Problem]:
    """Files that `ssh` names and that are not there, or not readable for this user."""
    ssh = settings.ssh
    named = [(("ssh", "identity_files"), path) for path in ssh.identity_files]
    named += [
        (("ssh", name), path)
        for name, path in (("known_hosts", ssh.known_hosts), ("config_file", ssh.config_file))
        if path is not None
    ]
    for parts, path in named:
        item = find(tree, parts)
        if item is not None and not os.access(path, os.R_OK):
            why = "this user may not read" if path.exists() else "is not there"
            what = f"{keys.join(parts)} names {path}, which {why}"
            yield Problem(
                str(item.file), item.line, keys.join(parts), what, "Correct the path, or make the file"
            )


def _unset_known_hosts(settings: Settings) -> Iterator[Problem]:
    usual = Path("~/.ssh/known_hosts").expanduser()
    if settings.ssh.known_hosts is None and not usual.exists():
        yield Problem(
            settings.origin("ssh.known_hosts"),
            0,
            "ssh.known_hosts",
            f"{usual} is not there: no node's key is known",
            "Take the keys in on the first connection: aami-hpc nodes test --accept-new-host-keys",
        )
