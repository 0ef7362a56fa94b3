"""Fixtures of the probes' tests."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Protocol

import pytest

from aami_slurm.places import Places
from tests.aami_slurm.probes.support import Driver, SetClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.nvml.build import Stub
    from tests.lab.nvml.state import GpuState


class MakeDriver(Protocol):
    def __call__(self, state: GpuState | None = None, name: str = "driver") -> Driver: ...


@pytest.fixture(autouse=True)
def _may_fork() -> Iterator[None]:
    """The test run has threads, a hook has none: newer Pythons warn of that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded", category=DeprecationWarning)
        yield


@pytest.fixture
def places(tmp_path: Path) -> Places:
    root = tmp_path / "root"
    (root / "run").mkdir(parents=True)
    (root / "var/lib").mkdir(parents=True)
    return Places(str(root))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def make_driver(nvml_stub: Stub, tmp_path: Path) -> MakeDriver:
    """Gives the node a driver with fake GPUs: eight healthy H100 unless told otherwise."""

    def make(state: GpuState | None = None, name: str = "driver") -> Driver:
        return Driver(nvml_stub, tmp_path / name, state)

    return make
