"""The whole survey: every part looked at once, put together, with everything that could not be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aami_hpc.fleet.nodeset import fold
from aami_hpc.fleet.survey import slurm, slurm_files, software, traces
from aami_hpc.fleet.survey.claims import claims
from aami_hpc.fleet.survey.gpus import gpus
from aami_hpc.fleet.survey.hooks import hooks
from aami_hpc.fleet.survey.machine import machine
from aami_hpc.fleet.survey.ports import listeners
from aami_hpc.fleet.survey.processes import processes
from aami_hpc.fleet.survey.sighting import Sighting, keyed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aami_hpc.fleet.survey.claims import Claim
    from aami_hpc.fleet.survey.sighting import Sightings
    from aami_hpc.fleet.survey.slurm import SlurmView
    from aami_hpc.fleet.survey.slurm_files import SlurmFile
    from aami_hpc.fleet.survey.traces import Found
    from aami_hpc.fleet.survey.world import World
    from aami_hpc.model.node import Node

_PROMETHEUS_FILE = "/etc/prometheus/prometheus.yml"


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that are equal in state and kind."""

    nodes: str
    count: int
    state: str
    gpus: int | None
    gpu_model: str
    cpus: int | None
    memory_mb: int | None


@dataclass(frozen=True, slots=True)
class Survey:
    """What is here."""

    cluster: Sightings
    slurm: Sightings
    nodes: tuple[NodeGroup, ...]
    machine: Sightings
    ports: tuple[Claim, ...]
    software: tuple[Found, ...]
    hooks: Sightings
    unknown: Sightings
    view: SlurmView
    file: SlurmFile

    @property
    def has_slurm(self) -> bool:
        """Whether a cluster is set up here, or somebody says so; it may still not answer."""
        return slurm.present(self.view, self.file)

    def _present(self) -> Sighting:
        source = slurm.PING if self.view.controllers else self.file.path or "$SLURM_CONF"
        return Sighting("present", "Present", self.has_slurm, source)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; docs/look.md documents its keys."""
        return {
            "cluster": keyed(self.cluster),
            "slurm": keyed((self._present(), *self.slurm, *_lists(self.view, self.nodes))),
            "machine": keyed(self.machine),
            "ports": [claim.as_dict() for claim in self.ports],
            "software": [found.as_dict() for found in self.software],
            "hooks": keyed(self.hooks),
            "unknown": [
                {"what": gap.label or gap.key, "source": gap.source, "why": gap.unknown}
                for gap in self.unknown
            ],
        }


def survey(world: World, view: SlurmView, *, conf: str = "", bin_dir: str = "") -> Survey:
    """Look at everything once. `conf` and `bin_dir` are what the configuration says, if it does."""
    known = software.known()
    tree = world.tree
    file = slurm_files.slurm_file(world, conf, answered=(view.config or {}).get("SLURM_CONF", ""))
    here = (*machine(world), *gpus(world))
    running = processes(tree)
    listening = listeners(tree)
    marked = dict(slurm_files.texts(tree, file.path))
    prometheus = tree.read(_PROMETHEUS_FILE, cut=True)
    if not prometheus.why:
        marked[_PROMETHEUS_FILE] = prometheus.words
    in_slurm = (
        view.version,
        _file(file),
        _commands(bin_dir or slurm_files.commands(world)),
        *slurm.places(view, file),
    )
    called = hooks(tree, view, file)
    return Survey(
        cluster=_cluster(view, file),
        slurm=in_slurm,
        nodes=groups(view.nodes or ()),
        machine=here,
        ports=claims(world, known, listening, running.seen),
        software=traces.traces(world, known, running.seen, marked),
        hooks=called,
        unknown=_gaps(view, here, in_slurm, running.unknown, listening.unknown),
        view=view,
        file=file,
    )


def groups(nodes: Iterable[Node]) -> tuple[NodeGroup, ...]:
    """Nodes folded by state and kind."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    for node in nodes:
        state = str(node.state) if node.state else "unknown"
        kind = (state, node.gpus, node.gpu_model, node.cpus, node.memory_mb)
        alike.setdefault(kind, []).append(node.name)
    return tuple(NodeGroup(fold(names), len(names), *kind) for kind, names in alike.items())


def _cluster(view: SlurmView, file: SlurmFile) -> Sightings:
    name, source = slurm.setting(view, file, "ClusterName")
    found = [Sighting("name", "Name", name or None, source or slurm.CONFIG)]
    if not name:
        why = view.silent or file.why or f"no ClusterName in {file.path}"
        found = [Sighting("name", "Name", None, source or slurm.CONFIG, unknown=why)]
    if view.nodes is not None:
        found.append(Sighting("nodes", "Nodes", len(view.nodes), slurm.NODES))
        found.append(Sighting("gpus", "GPUs", sum(node.gpus or 0 for node in view.nodes), slurm.NODES))
    return tuple(found)


def _file(file: SlurmFile) -> Sighting:
    """slurm.conf itself."""
    if not file.path:
        return Sighting("conf", "slurm.conf", None, slurm_files.USUAL[0], unknown=file.why)
    if file.why:
        return Sighting("conf", "slurm.conf", None, file.path, unknown=file.why)
    return Sighting("conf", "slurm.conf", file.path, file.known_from)


def _commands(folder: str) -> Sighting:
    """Where scontrol and the others are."""
    if not folder:
        return Sighting("commands", "Commands", None, "$PATH", unknown="scontrol was not found")
    return Sighting("commands", "Commands", folder, f"{folder}/scontrol")


def _lists(view: SlurmView, nodes: tuple[NodeGroup, ...]) -> Sightings:
    """Controllers, nodes and partitions as lists of objects, for JSON."""
    silent = view.silent
    found = []
    for key, seen, source, rows in (
        (
            "controllers",
            view.controllers,
            slurm.PING,
            [{"host": one.host, "role": one.role, "up": one.up} for one in view.controllers or ()],
        ),
        (
            "partitions",
            view.partitions,
            slurm.PARTITIONS,
            [
                {"name": one.name, "nodes": one.nodes, "state": one.state, "default": one.default}
                for one in view.partitions or ()
            ],
        ),
        (
            "nodes",
            view.nodes,
            slurm.NODES,
            [{name: getattr(group, name) for name in NodeGroup.__slots__} for group in nodes],
        ),
    ):
        if seen is None:
            found.append(Sighting(key, key, None, source, unknown=silent or "the answer could not be read"))
        else:
            found.append(Sighting(key, key, tuple(rows), source))
    return tuple(found)


def _gaps(view: SlurmView, *parts: Sightings) -> Sightings:
    """Everything that could not be seen, each once."""
    found: dict[tuple[str, str], Sighting] = {}
    for gap in (*view.unknown, *(sighting for part in parts for sighting in part if sighting.unknown)):
        found.setdefault((gap.source, gap.unknown), gap)
    return tuple(found.values())
