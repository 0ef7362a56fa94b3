"""pytest's way to GPUs without a GPU: the fake NVML library and nvidia-smi, and the dcgm-exporter simulator."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aami_hpc.testing.dcgm_http import Serving
    from tests.lab.nvml.binding import Session
    from tests.lab.nvml.build import Stub
    from tests.lab.nvml.gpus import FakeGpus
    from tests.lab.nvml.state import GpuState


class MakeGpus(Protocol):
    """Gives a node its fake GPUs: eight healthy H100 unless told otherwise."""

    def __call__(self, state: GpuState | None = None, *, name: str = "gpus") -> FakeGpus: ...


class OpenNvml(Protocol):
    """Initialises NVML in this process over fake GPUs."""

    def __call__(self, state: GpuState | None = None) -> Session: ...


class MakeDcgm(Protocol):
    """Starts a simulator on free ports; the arguments are Simulator's."""

    def __call__(self, *arguments: Any, **wishes: Any) -> Serving: ...


@pytest.fixture(scope="session")
def nvml_stub() -> Stub:
    """The fake library and program, compiled once."""
    from tests.lab.nvml.build import build

    with lab():
        return build()


@pytest.fixture
def gpu_state(nvml_stub: Stub, tmp_path: Path) -> MakeGpus:
    """Fake GPUs of a node; each name has a state file of its own."""
    from tests.lab.nvml.gpus import FakeGpus
    from tests.lab.nvml.shapes import h100

    def make(state: GpuState | None = None, *, name: str = "gpus") -> FakeGpus:
        return FakeGpus(nvml_stub, tmp_path / f"{name}.state", state or h100())

    return make


@pytest.fixture
def nvml_session(nvml_stub: Stub, gpu_state: MakeGpus, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenNvml]:
    """The fake library in this process, through the real Python binding; shut down afterwards."""
    from tests.lab.nvml.binding import Session, load

    with lab():
        library, nvml = load(nvml_stub)
    opened: list[Session] = []

    def start(state: GpuState | None = None) -> Session:
        gpus = gpu_state(state)
        monkeypatch.setenv("AAMI_FAKE_GPU_STATE", str(gpus.path))
        nvml.nvmlInit()
        opened.append(Session(library, nvml, gpus))
        return opened[-1]

    yield start
    for _ in opened:
        nvml.nvmlShutdown()


@pytest.fixture
def fake_nvidia_smi(nvml_stub: Stub) -> Path:
    """The folder with the fake nvidia-smi and its library, for the front of PATH."""
    return nvml_stub.folder


@pytest.fixture
def dcgm_simulator() -> Iterator[MakeDcgm]:
    """Simulated dcgm-exporters, served until the test ends."""
    from aami_hpc.testing.dcgm import Simulator

    with contextlib.ExitStack() as stack:

        def make(*arguments: Any, **wishes: Any) -> Serving:
            return stack.enter_context(Simulator(*arguments, **wishes).serve(port=0))

        yield make
