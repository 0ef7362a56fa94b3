"""What the tests of probes share: a clock that can be set forward, and a node with a driver of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aami_slurm.clock import Clock
from aami_slurm.probe import Answer, Probes
from aami_slurm.probes import control, gpus
from tests.lab.nvml.gpus import FakeGpus
from tests.lab.nvml.shapes import h100

if TYPE_CHECKING:
    from collections.abc import Callable

    from aami_slurm.places import Places
    from tests.lab.nvml.build import Stub
    from tests.lab.nvml.state import GpuState

SLURM = Path(gpus.__file__).resolve().parents[2]
XID = SLURM.parent / "xid"


class SetClock(Clock):
    """The real clock, `ahead` of itself by so many seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def wall(self) -> float:
        return time.time() + self.ahead

    def mono(self) -> float:
        return time.monotonic() + self.ahead


class Driver(FakeGpus):
    """Library, nvidia-smi and state in one folder: processes find the GPUs without any environment, as on a node."""

    def __init__(self, stub: Stub, folder: Path, state: GpuState | None = None) -> None:
        installed = stub.install(folder)
        super().__init__(installed, folder / "fake-gpu.state", state or h100())

    @property
    def ask(self) -> dict[str, Any]:
        return {"nvml": str(self.stub.library), "nvidia_smi": str(self.stub.program)}

    def read(self, places: Places, **more: Any) -> Any:
        """The reading, by a probe as in a hook."""
        answer = self.probe(places, 20.0, **more)
        assert answer.answered, answer
        return answer.value

    def probe(self, places: Places, budget: float, clock: Clock | None = None, **more: Any) -> Answer:
        return Probes(places, clock or Clock()).run("gpus", gpus.read, {**self.ask, **more}, budget)

    def control(self, places: Places, budget: float, clock: Clock) -> Answer:
        return Probes(places, clock).run("control", control.read, self.ask, budget)


def children() -> set[int]:
    """Every child of this process, zombies too."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def in_a_process(work: Callable[[], object]) -> int:
    """Exit status of work() done in a fork of this process: 0 if nothing was raised."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - it must not come back into the test run
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def python(interpreter: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code as a hook does: no site, no environment."""
    lines = f"import sys; sys.path[:0] = [{str(SLURM)!r}, {str(XID)!r}]\n{code}"
    return subprocess.run(
        [interpreter, "-I", "-S", "-B", "-c", lines, *arguments],
        env={}, capture_output=True, text=True, check=False, timeout=60, cwd="/",
    )  # fmt: skip
