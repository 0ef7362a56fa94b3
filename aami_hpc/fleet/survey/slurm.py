"""Slurm as its own commands describe it, and as slurm.conf does where they can't."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from aami_hpc.errors import SlurmError, SlurmNotFound, SlurmUnreachable
from aami_hpc.fleet.survey.sighting import Sighting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aami_hpc.fleet.survey.sighting import Sightings
    from aami_hpc.fleet.survey.slurm_files import SlurmFile
    from aami_hpc.model.node import Node
    from aami_hpc.model.slurm import Controller, Partition
    from aami_hpc.slurm.client import SlurmClient

T = TypeVar("T")

VERSION = "scontrol --version"
PING = "scontrol ping"
CONFIG = "scontrol show config"
NODES = "sinfo, scontrol"
PARTITIONS = "scontrol show partitions"

# Key in slurm.conf, key in JSON, label.
_PLACES = (
    ("SlurmdSpoolDir", "spool_dir", "slurmd spool"),
    ("StateSaveLocation", "state_dir", "slurmctld state"),
    ("SlurmctldLogFile", "slurmctld_log", "slurmctld log"),
    ("SlurmdLogFile", "slurmd_log", "slurmd log"),
    ("PluginDir", "plugin_dir", "Plugins"),
    ("SlurmUser", "slurm_user", "SlurmUser"),
    ("SlurmdUser", "slurmd_user", "SlurmdUser"),
    ("GresTypes", "gres_types", "GRES types"),
    ("SelectType", "select_type", "SelectType"),
    ("ProctrackType", "proctrack_type", "ProctrackType"),
    ("TaskPlugin", "task_plugin", "TaskPlugin"),
    ("AccountingStorageType", "accounting", "Accounting"),
    ("PrivateData", "private_data", "PrivateData"),
)


@dataclass(frozen=True, slots=True)
class SlurmView:
    """What Slurm answered. `silent` says why it did not, and is empty when it did."""

    version: Sighting
    controllers: tuple[Controller, ...] | None = None
    config: Mapping[str, str] | None = None
    nodes: tuple[Node, ...] | None = None
    partitions: tuple[Partition, ...] | None = None
    silent: str = ""
    absent: bool = False  # there is no Slurm here at all
    unknown: Sightings = ()


@dataclass(slots=True)
class _Asking:
    """Ask one thing after another; after one that is not answered in time, nothing more is asked."""

    silent: str = ""
    absent: bool = False
    unknown: list[Sighting] = field(default_factory=list)

    def ask(self, what: str, command: str, question: Callable[[], T]) -> T | None:
        key = what.replace(" ", "_")
        if self.silent:
            self.unknown.append(Sighting(key, what, None, command, unknown="not asked, for the same reason"))
            return None
        try:
            return question()
        except (SlurmNotFound, SlurmUnreachable) as error:
            self.absent = isinstance(error, SlurmNotFound)
            self.silent = told(error)
            self.unknown.append(Sighting(key, what, None, command, unknown=self.silent))
        except SlurmError as error:
            self.unknown.append(Sighting(key, what, None, command, unknown=told(error)))
        return None


def ask(client: SlurmClient) -> SlurmView:
    """Everything this issue needs of Slurm, in the order that finds out soonest that nobody answers.

    `ping` comes first: to a controller that is down it says so at once, where other questions retry for long.
    """
    asking = _Asking()
    version = asking.ask("version of Slurm", VERSION, client.version)
    controllers = asking.ask("controllers", PING, client.controllers)
    if controllers and not any(one.up for one in controllers):
        asking.silent = "No controller of Slurm is up"
    config = asking.ask("configuration of Slurm", CONFIG, client.config)
    nodes = asking.ask("nodes", NODES, client.nodes)
    partitions = asking.ask("partitions", PARTITIONS, client.partitions)
    if version is None:
        said = next((one for one in asking.unknown if one.source == VERSION), None)
        seen = Sighting("version", "Version", None, VERSION, unknown=said.unknown if said else "")
    else:
        seen = Sighting("version", "Version", version, VERSION)
    return SlurmView(
        seen, controllers, config, nodes, partitions, asking.silent, asking.absent, tuple(asking.unknown)
    )


def told(error: SlurmError) -> str:
    """What and why, as one clause."""
    return f"{error.message} ({error.cause})" if error.cause else error.message


def nobody(error: SlurmError) -> SlurmView:
    """The view when there is nobody to ask."""
    why = told(error)
    version = Sighting("version", "Version", None, VERSION, unknown=why)
    return SlurmView(version, silent=why, absent=isinstance(error, SlurmNotFound), unknown=(version,))


def present(view: SlurmView, file: SlurmFile) -> bool:
    """Whether a cluster is set up here: its commands find it, or there is a slurm.conf, or somebody names one."""
    return not view.absent or bool(file.path)


def setting(view: SlurmView, file: SlurmFile, key: str) -> tuple[str, str]:
    """The value of one parameter (several joined by a comma) and its source. Empty: not set."""
    if view.config is not None:
        values = [value for name, value in view.config.items() if name == key or name.startswith(f"{key}[")]
        return ", ".join(value for value in values if value and value != "(null)"), CONFIG
    return file.values.get(key.lower(), ""), file.path


def places(view: SlurmView, file: SlurmFile) -> Sightings:
    """Paths and plugins. From slurm.conf only what stands there: its defaults are not ours to guess."""
    found = []
    for parameter, key, label in _PLACES:
        value, source = setting(view, file, parameter)
        if value:
            found.append(Sighting(key, label, value, source))
    return tuple(found)
