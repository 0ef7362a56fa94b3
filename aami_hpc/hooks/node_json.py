"""node.json: what the head decided, the same for all nodes. Ranges stay as written: a node finds itself in them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from aami_hpc.config import ranges
from aami_hpc.errors import UnknownNode
from aami_hpc.fleet.near import nearest
from aami_hpc.fleet.nodeset import fold
from aami_hpc.hooks import policy
from aami_slurm.settings import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aami_hpc.config import Settings
    from aami_hpc.fleet.inventory import Inventory
    from aami_hpc.hooks.cluster import Cluster
    from aami_hpc.model.node import Node

_SHOWN = 80  # characters of a range that an error quotes


def build(settings: Settings, cluster: Cluster, inventory: Inventory | None) -> dict[str, Any]:
    """The document without its `generation`. Without an inventory nothing is known of nodes, so no range is checked."""
    if inventory is not None:
        _check_ranges(settings, inventory)
    hooks = settings.hooks
    return {
        "schema": SCHEMA,
        "cluster": cluster.name,
        "slurm": {"conf": cluster.conf, "scontrol": cluster.scontrol, "sinfo": cluster.sinfo},
        "paths": {
            "kmsg": str(hooks.kmsg),
            "textfile": str(hooks.textfile) if hooks.textfile else None,
            "nvml": hooks.nvml,
            "nvidia_smi": str(hooks.nvidia_smi),
        },
        "gres_order": hooks.gres_order,
        "gres": _gres(inventory.nodes if inventory else ()),
        "job_labels": cluster.labels(hooks.job_labels),
        "mounts": [
            {"path": str(mount.path), **({"nodes": mount.nodes} if mount.nodes else {})}
            for mount in hooks.mounts
        ],
        "policy": policy.document(settings),
    }


def _gres(nodes: Iterable[Node]) -> list[dict[str, Any]]:
    """How many GPUs which nodes are configured to have; nodes of which nobody said it are left out."""
    names: defaultdict[int, list[str]] = defaultdict(list)
    for node in nodes:
        if node.gpus is not None:
            names[node.gpus].append(node.name)
    return [{"nodes": fold(same), "gpus": gpus} for gpus, same in sorted(names.items())]


def _check_ranges(settings: Settings, inventory: Inventory) -> None:
    for key, text in _ranges(settings):
        unknown = next((name for name in ranges.names(text) if inventory.get(name) is None), None)
        if unknown is not None:
            near = nearest(unknown, (node.name for node in inventory.nodes), 3)
            raise UnknownNode(
                f"{settings.origin(key.rpartition('.')[0])} {key}: no node is called {unknown[:_SHOWN]}",
                cause="Neither Slurm nor the configuration knows that name",
                hint=f"Did you mean {' or '.join(near)}?" if near else "See aami-hpc nodes list",
            )


def _ranges(settings: Settings) -> Iterator[tuple[str, str]]:
    for number, mount in enumerate(settings.hooks.mounts):
        if mount.nodes:
            yield f"hooks.mounts.{number}", mount.nodes
    for number, rule in enumerate(settings.policy.rules):
        if rule.nodes:
            yield f"policy.rules.{number}", rule.nodes
