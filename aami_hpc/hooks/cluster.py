"""What Slurm tells about the cluster that every node's settings need to hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aami_hpc.errors import SlurmError
from aami_hpc.slurm.client import open_client
from aami_hpc.slurm.programs import find

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aami_hpc.config import Settings
    from aami_hpc.io.run import Runner

LABELS = ("user", "account", "partition")
_PERSONAL = frozenset({"user", "account"})
_PRIVATE = frozenset({"accounts", "jobs", "usage", "users"})  # flags of PrivateData that hide whose a job is
_PROGRAMS = ("Prolog", "Epilog", "HealthCheckProgram")
_USUAL = {"scontrol": "/usr/bin/scontrol", "sinfo": "/usr/bin/sinfo"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """`conf` is None where Slurm's commands find their configuration by themselves. `programs` is what Slurm calls,
    by parameter. `silent` is why Slurm told nothing: then `private` is None and the rest is the configuration's.
    """

    name: str = ""
    conf: str | None = None
    scontrol: str = _USUAL["scontrol"]
    sinfo: str = _USUAL["sinfo"]
    private: bool | None = None
    programs: Mapping[str, str] = field(default_factory=dict)
    silent: SlurmError | None = None

    def labels(self, wanted: tuple[str, ...] | None) -> list[str]:
        """The labels of a job in metrics: those wanted, else all that Slurm does not hide from other users."""
        if wanted is not None:
            return list(dict.fromkeys(wanted))
        return [label for label in LABELS if self.private is False or label not in _PERSONAL]


def ask(settings: Settings, runner: Runner, environ: Mapping[str, str]) -> Cluster:
    """Ask Slurm of this machine."""
    given = str(settings.slurm.conf) if settings.slurm.conf else environ.get("SLURM_CONF") or None
    paths = dict(_USUAL)
    try:
        paths |= find(settings.slurm, environ).paths
        told = open_client(settings.slurm, runner, environ).config()
    except SlurmError as silent:
        return Cluster(settings.cluster.name, given, paths["scontrol"], paths["sinfo"], silent=silent)
    flags = {word.strip().lower() for word in told.get("PrivateData", "").split(",")}
    return Cluster(
        settings.cluster.name or told.get("ClusterName", ""),
        given,
        paths["scontrol"],
        paths["sinfo"],
        bool(flags & _PRIVATE),
        _called(told),
    )


def _called(told: Mapping[str, str]) -> dict[str, str]:
    """Programs that are set. Releases that take several number them: `Prolog[0]`."""
    found: dict[str, str] = {}
    for key, value in told.items():
        name = key.partition("[")[0]
        if name in _PROGRAMS and value not in ("", "(null)"):
            found[name] = f"{found[name]},{value}" if name in found else value
    return found
