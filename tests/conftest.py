"""Fixtures that every test may ask for: the lab's clusters, nodes and GPUs."""

from __future__ import annotations

pytest_plugins = ["tests.lab.fixtures", "tests.lab.node_fixtures", "tests.lab.gpu_fixtures"]
