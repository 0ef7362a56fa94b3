"""`look`: what is here. Reads files and asks Slurm; writes nothing, and connects to no node without `ssh`.

The JSON has the keys `cluster`, `slurm`, `machine`, `hooks` (objects of facts), `ports`, `software`,
`unknown` (lists), and `ssh` (a list) when nodes were asked over SSH. docs/look.md documents them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.actions.look_page import page
from aami_hpc.actions.result import Result
from aami_hpc.errors import SlurmError
from aami_hpc.fleet.survey.slurm import ask, nobody
from aami_hpc.fleet.survey.survey import survey
from aami_hpc.fleet.survey.world import World
from aami_hpc.slurm.client import open_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from aami_hpc.config import Settings
    from aami_hpc.config.sections.slurm import SlurmSection
    from aami_hpc.fleet.survey.slurm import SlurmView
    from aami_hpc.fleet.survey.survey import Survey
    from aami_hpc.io.progress import Progress
    from aami_hpc.io.ssh import Local
    from aami_hpc.render.document import Block
    from aami_hpc.slurm.client import SlurmClient


def look(
    settings: Settings,
    *,
    ssh: str | None = None,
    progress: Progress | None = None,
    world: World | None = None,
    connect: Callable[[], SlurmClient] | None = None,
    local: Local | None = None,
) -> Result:
    """See what is here, and on the nodes that `ssh` names (all, when it is empty; none, when it is None)."""
    seen = see(settings, world or World(), connect)
    data = seen.as_dict()
    nodes: tuple[Block, ...] = ()
    if ssh is not None:
        from aami_hpc.actions.look_ssh import look_ssh  # asyncssh costs more than all the rest

        data["ssh"], nodes = look_ssh(settings, seen, ssh, progress=progress, local=local)
    return Result(data, page(seen, nodes))


def see(settings: Settings, world: World, connect: Callable[[], SlurmClient] | None = None) -> Survey:
    """The survey that `look` shows and `init` chooses from."""
    section = settings.slurm
    view = ask_slurm(section, world, connect)
    return survey(world, view, conf=str(section.conf or ""), bin_dir=str(section.bin_dir or ""))


def ask_slurm(
    section: SlurmSection, world: World, connect: Callable[[], SlurmClient] | None = None
) -> SlurmView:
    """What Slurm says. Tests pass a client of their own."""
    try:
        client = connect() if connect else open_client(section, world.runner, world.environ)
    except SlurmError as error:
        return nobody(error)
    return ask(client)
