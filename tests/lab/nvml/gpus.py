"""The fake GPUs of one node in a test: their state file, how to change it, and how to meet them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.lab.nvml.build import Stub
    from tests.lab.nvml.state import GpuState


class FakeGpus:
    """A state file and the fakes that answer from it. Changes reach running processes at their next call."""

    def __init__(self, stub: Stub, path: Path, state: GpuState) -> None:
        self.stub = stub
        self.path = path
        self.put(state)

    def put(self, state: GpuState) -> None:
        """Replace the whole state."""
        self.state = state
        state.write(self.path)

    def fault(self, name: str, *, gpu: int | None = None) -> None:
        """Let a named fault happen."""
        self.put(self.state.with_fault(name, gpu=gpu))

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a process that meets these GPUs."""
        return {**os.environ, **self.stub.environ(self.path)}

    def run(self, argv: Sequence[str], *, seconds: float = 20) -> subprocess.CompletedProcess[str]:
        """Run a program that meets these GPUs, to its end."""
        return subprocess.run(
            list(argv),
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )

    def smi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the fake nvidia-smi."""
        return self.run([str(self.stub.program), *arguments])

    def start(self, argv: Sequence[str]) -> subprocess.Popen[str]:
        """Start a program that meets these GPUs; the caller ends it."""
        return subprocess.Popen(
            list(argv),
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
