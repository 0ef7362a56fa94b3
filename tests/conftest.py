"""Fixtures that every test may ask for: the lab's clusters, nodes and GPUs, and a node with hooks."""

from __future__ import annotations

pytest_plugins = [
    "tests.lab.fixtures",
    "tests.lab.node_fixtures",
    "tests.lab.gpu_fixtures",
    "tests.aami_slurm.fixtures",
]
