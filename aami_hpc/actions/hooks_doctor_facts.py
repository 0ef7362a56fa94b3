"""What `hooks doctor` asks: Slurm, this machine, and the nodes as far as it may."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aami_hpc.fleet.inventory import build
from aami_hpc.fleet.survey.world import PATIENCE, World
from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.answer import Seen
from aami_hpc.hooks.doctor.facts import Facts, asked_about
from aami_hpc.hooks.doctor.node_script import read, script, unquoted
from aami_hpc.io.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aami_hpc.config import Settings
    from aami_hpc.hooks.doctor.answer import Answer, Status
    from aami_hpc.io.progress import Progress
    from aami_hpc.io.ssh import Local
    from aami_hpc.model.node import Node
    from aami_hpc.slurm.client import SlurmClient

NOT_PERMITTED = "an ordinary user without a configuration connects to no node unless RANGE names it"
NOT_CHOSEN = "not in RANGE"
_HOSTNAME = "/proc/sys/kernel/hostname"
_SITE = re.compile(r"^site=(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and with what. `expression` names the nodes to ask; without one it is all of them."""

    settings: Settings
    expression: str | None = None
    world: World = field(default_factory=World)
    progress: Progress = field(default_factory=NoProgress)
    local: Local | None = None

    @property
    def permitted(self) -> bool:
        """Whether to connect to nodes at all: nobody's first look shall knock on a thousand doors."""
        tree = self.settings.tree
        configured = tree is not None and bool(tree.value)
        return self.expression is not None or self.world.uid == 0 or configured


@dataclass(slots=True)
class Asked:
    """Answers by node, and why others gave none."""

    answers: dict[str, Answer] = field(default_factory=dict)
    unasked: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def gather(asking: Asking, client: SlurmClient, config: Mapping[str, str]) -> tuple[Facts, tuple[str, ...]]:
    """The facts, and remarks about the way to them."""
    nodes = client.nodes()
    asked = _nodes(asking, config, nodes)
    private = config.get("PrivateData", "").lower().split(",")
    facts = Facts(
        config,
        client=client.version(),
        versions={node.name: node.slurm_version for node in nodes if node.slurm_version},
        nodes=tuple(node.name for node in nodes),
        hidden_nodes=asking.world.uid != 0 and "nodes" in private,
        answers=asked.answers,
        unasked=asked.unasked,
        beside=_beside(asking.world, config),
        here=_here(asking.world, config),
        timer=asking.settings.hooks.health == "timer",
        job_labels=asking.settings.hooks.job_labels,
    )
    return facts, tuple(asked.remarks)


def _nodes(asking: Asking, config: Mapping[str, str], nodes: Sequence[Node]) -> Asked:
    """The nodes that Slurm knows: others run no hooks."""
    inventory = build(asking.settings, nodes)
    known = {node.name for node in nodes}
    if not asking.permitted:
        return Asked(unasked=dict.fromkeys(known, NOT_PERMITTED))
    chosen = inventory.select(asking.expression) if asking.expression is not None else inventory.nodes
    wanted = [node for node in chosen if node.name in known]
    asked = Asked(unasked=dict.fromkeys(known - {node.name for node in wanted}, NOT_CHOSEN))
    if wanted:
        from aami_hpc.actions.hooks_doctor_nodes import ask  # asyncssh costs more than all the rest

        ask(asking, wanted, asked_about(Facts(config)), config.get("SlurmdSpoolDir", ""), asked)
    return asked


def _beside(world: World, config: Mapping[str, str]) -> dict[str, Seen] | None:
    """What stands beside slurm.conf, if this machine is one that slurmctld may run on."""
    name = world.tree.read(_HOSTNAME).words.strip()
    hosts = {value.partition("(")[0] for key, value in config.items() if key.startswith("SlurmctldHost[")}
    if not name or not {name, name.partition(".")[0]} & hosts:
        return None
    facts = Facts(config)
    called = [program for hook in ours.HOOKS for program in facts.values(hook) if not program.startswith("/")]
    wanted = dict.fromkeys((*ours.LAUNCHER.values(), *called))
    return {program: _seen(world, f"{facts.folder}/{program}") for program in wanted}


def _here(world: World, config: Mapping[str, str]) -> Answer | None:
    """What a node would be asked, asked of this machine."""
    patterns = asked_about(Facts(config))
    argv = ["/bin/sh", "-c", script(patterns)]
    done = world.runner.run(argv, timeout=PATIENCE, env={**world.environ, "LC_ALL": "C"})
    return read(done.stdout, patterns) if done.ok else None


def _seen(world: World, path: str) -> Seen:
    if not world.tree.exists(path):
        return Seen(path, "missing")
    site = _SITE.search(world.tree.read(path, cut=True).words)
    status: Status = "ok" if world.tree.runs(path) else "not-executable"
    return Seen(path, status, site=unquoted(site[1]) if site else "")
