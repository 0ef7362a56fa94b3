"""GPUs of a node's tree: the fake NVML library without any environment, and their PCI config in a sysfs of its own."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from tests.lab.nvml.build import build
from tests.lab.nvml.shapes import h100

if TYPE_CHECKING:
    from tests.aami_slurm.tree import NodeTree
    from tests.lab.nvml.state import GpuState

CONFIG = bytes.fromhex("de10302310000010a1000203") + bytes(52)
GONE = b"\xff" * 64


class Cards:
    """The GPUs of one node. `put` changes them while hooks run."""

    def __init__(self, node: NodeTree) -> None:
        self.node = node
        self.folder = node.root / "usr/lib/fake-gpu"
        self.stub = build().install(self.folder)
        self.state: GpuState = h100()

    def eight(self, **settings: object) -> Cards:
        """Eight healthy H100; the node's settings point to them."""
        self.put(self.state)
        paths = {"nvml": str(self.stub.library), "nvidia_smi": str(self.stub.program)}
        for index in range(len(self.state.gpus)):
            self.pci(index, CONFIG)
        self.node.set(paths=paths, **settings)
        return self

    def put(self, state: GpuState) -> None:
        self.state = state
        state.write(self.folder / "fake-gpu.state")

    def fault(self, name: str, *, gpu: int | None = None) -> None:
        self.put(self.state.with_fault(name, gpu=gpu))

    def uuid(self, gpu: int) -> str:
        return str(self.state.gpus[gpu].uuid)

    def bus_id(self, gpu: int) -> str:
        """As the kernel log has it: 0000:c1:00."""
        return self.state.gpus[gpu].bus_id[-12:].partition(".")[0].lower()

    def pci(self, gpu: int, config: bytes | None) -> None:
        """What the GPU's PCI config space reads as; None takes the device away."""
        folder = self.node.root / "sys/bus/pci/devices" / f"{self.bus_id(gpu)}.0"
        folder.mkdir(parents=True, exist_ok=True)
        if config is None:
            shutil.rmtree(folder)
        else:
            (folder / "config").write_bytes(config)
            (folder / "vendor").write_text("0x10de\n")
            (folder / "class").write_text("0x030200\n")

    def says(self, gpu: int, code: int, text: str, *, seconds_ago: float = 0, facility: int = 0) -> None:
        """The driver's line about a GPU, as a raw record at the end of the node's kernel log."""
        with self.node.kmsg.open("r+b") as log:
            seq = len(log.read().splitlines())
            moment = int((time.monotonic() - seconds_ago) * 1_000_000)
            line = f"{facility * 8 + 4},{seq},{moment},-;NVRM: Xid (PCI:{self.bus_id(gpu)}): {code}, {text}"
            log.write(line.encode() + b"\n")
