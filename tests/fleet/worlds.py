"""Small clusters for tests: nodes as Slurm would tell them, settings as a file would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.config import load
from aami_hpc.model.node import SLURM, Node
from aami_hpc.slurm.state import parse_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aami_hpc.config import Settings


def slurm_node(
    name: str, state: str = "IDLE", *partitions: str, gpus: int | None = 8, reason: str = ""
) -> Node:
    """A node as the Slurm client gives it."""
    return Node(
        name,
        address=name,
        partitions=partitions or ("gpu",),
        gpus=gpus,
        gpu_model="h100" if gpus else "",
        state=parse_state(state, reason=reason),
        origin=dict.fromkeys(("name", "address", "partitions", "gpus", "gpu_model", "state"), SLURM),
    )


def settings(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    """What a configuration file with this text means."""
    path = folder / "config.yaml"
    path.write_text(text)
    return load(path, environ=environ or {})
