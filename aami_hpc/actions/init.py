"""`init`: write a configuration from what `look` sees, say what was chosen and why, and read it back.

The JSON keys: `path`, `previous` (where the old file was kept, or null), `slurm` (whether a cluster was seen),
`choices` [{key, value, source}].
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aami_hpc.actions.init_file import compose
from aami_hpc.actions.look import see
from aami_hpc.actions.result import Result
from aami_hpc.config import Settings, places
from aami_hpc.config.examine import examine
from aami_hpc.config.loading import settings_of
from aami_hpc.errors import ConfigExists
from aami_hpc.fleet.survey.sighting import value_of
from aami_hpc.fleet.survey.world import World
from aami_hpc.io.files import previous, write_atomic
from aami_hpc.model.node import is_node_name
from aami_hpc.render.document import Fact, Facts, Heading, Paragraph, Steps, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aami_hpc.fleet.survey.survey import Survey
    from aami_hpc.render.document import Block, Document
    from aami_hpc.slurm.client import SlurmClient

# A name that we write unasked. Slurm's own cluster names are lower-case words; host names are like these, too.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of the configuration, and where it came from. `key` is a path of keys."""

    key: tuple[str, ...]
    value: str | int
    source: str

    @property
    def name(self) -> str:
        return ".".join(self.key)


def init(
    explicit: Path | None = None,
    *,
    force: bool = False,
    choose: Callable[[str, str, str], str] | None = None,
    world: World | None = None,
    connect: Callable[[], SlurmClient] | None = None,
) -> Result:
    """Write `explicit`, else where this user's configuration belongs. `choose(key, value, source)` may answer with another value than the one we would take."""
    world = world or World()
    path = destination(explicit, world.environ)
    there = places.there(path) or path.is_symlink()
    if there and not force:
        raise ConfigExists(
            f"There is a configuration already: {path}",
            cause="init does not overwrite it",
            hint=f"Change it with `aami-hpc config set`, or pass --force (the old file is kept as {previous(path)})",
        )
    survey = see(Settings(), world, connect)
    chosen = choices(survey, world)
    if choose:
        chosen = tuple(_asked(choice, choose) for choice in chosen)
    text = compose(chosen, slurm=survey.has_slurm)
    # Read as it will be read, before anything is replaced.
    settings_of(examine(environ=world.environ, instead=(path, text)), world.environ)
    write_atomic(path, text, mode=0o640, keep_previous=there)
    kept = previous(path) if there else None
    return Result(
        {
            "path": str(path),
            "previous": str(kept) if kept else None,
            "slurm": survey.has_slurm,
            "choices": [
                {"key": choice.name, "value": choice.value, "source": choice.source} for choice in chosen
            ],
        },
        _page(path, kept, survey, chosen, _option(path, world.environ)),
    )


def destination(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """The file to write: the one that is named, else the first that would be looked for."""
    asked = places.named(explicit, environ)
    return asked[0] if asked else places.usual(environ)[0]


def choices(survey: Survey, world: World) -> tuple[Choice, ...]:
    """What the configuration will say. Nodes are left to Slurm, which is asked each time, where there is one."""
    state = Choice(("storage", "state_dir"), str(Settings().storage.state_dir), "the default for this user")
    return (*(_cluster(survey, world) if survey.has_slurm else _alone(survey)), state)


def _cluster(survey: Survey, world: World) -> tuple[Choice, ...]:
    found = []
    name = next(fact for fact in survey.cluster if fact.key == "name")
    if _NAME.fullmatch(str(name.value or "")):
        found.append(Choice(("cluster", "name"), str(name.value), name.source))
    if survey.file.path == world.environ.get("SLURM_CONF") and not survey.file.why:
        # A service does not have the $SLURM_CONF of the person who ran init.
        found.append(Choice(("slurm", "conf"), survey.file.path, "$SLURM_CONF, as it was set for init"))
    folder = str(value_of(survey.slurm, "commands") or "")
    if folder and folder not in world.environ.get("PATH", "").split(":"):
        found.append(Choice(("slurm", "bin_dir"), folder, "scontrol is there, and not in $PATH"))
    return tuple(found)


def _alone(survey: Survey) -> tuple[Choice, ...]:
    """One machine without Slurm, by its own name."""
    name = str(value_of(survey.machine, "name") or "").split(".", 1)[0]
    source = "/proc/sys/kernel/hostname"
    if not is_node_name(name):
        name, source = "localhost", "this machine's own name is not usable"
    found = [
        Choice(("cluster", "name"), name, source),
        Choice(("nodes", name, "address"), _LOOPBACK, "no Slurm: this machine alone"),
    ]
    gpus = value_of(survey.machine, "gpus")
    if isinstance(gpus, int) and gpus:
        found.append(Choice(("nodes", name, "gpus"), gpus, "/sys/bus/pci/devices/*/vendor"))
    return tuple(found)


def _asked(choice: Choice, choose: Callable[[str, str, str], str]) -> Choice:
    answer = choose(choice.name, str(choice.value), choice.source)
    if answer == str(choice.value):
        return choice
    value: str | int = int(answer) if isinstance(choice.value, int) and answer.isdecimal() else answer
    return replace(choice, value=value, source="your answer")


def _option(path: Path, environ: Mapping[str, str]) -> str:
    """What the next commands need to find the file."""
    found = environ.get(places.VARIABLE) == str(path) or path in places.usual(environ)
    return "" if found else f" --config {shlex.quote(str(path))}"


def _page(path: Path, kept: Path | None, survey: Survey, chosen: tuple[Choice, ...], option: str) -> Document:
    blocks: list[Block] = [Heading(f"Wrote {path}")]
    if kept:
        blocks.append(Paragraph(f"The file that was there is kept as {kept}."))
    if not survey.has_slurm:
        blocks.append(Paragraph(Text("No Slurm here: this machine alone is configured.", "warn")))
    if survey.view.silent:
        blocks.append(Paragraph(Text(f"{survey.view.silent}.", "warn")))
    facts = tuple(Fact(choice.name, str(choice.value), choice.source) for choice in chosen)
    blocks.append(Facts(facts, "Chosen"))
    if survey.has_slurm:
        blocks.append(Paragraph("Nodes, partitions and GPUs are not copied: Slurm is asked each time."))
    steps = (
        (f"aami-hpc config check{option}", "see that it is understood"),
        (f"aami-hpc nodes list{option}", "the nodes it leads to"),
        (f"aami-hpc status{option}", "the cluster on one screen"),
    )
    return (*blocks, Steps(steps))
