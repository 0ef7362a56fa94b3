"""Clusters of another kind than the lab's usual ones: GPUs that are shared, GPUs that slurmd finds by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.lab import chroot
from tests.lab.slurm import SlurmCluster

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHARDS = 16
FOUND_GPUS = 2
FOUND_TYPE = "nvidia_h100"
_MAJOR = 195
_INFORMATION = "Model: \t\t NVIDIA H100\nIRQ:   \t\t 16\nGPU UUID: \t {}\nDevice Minor: \t {}\n"


class WithShards(SlurmCluster):
    """Each GPU has two shards."""

    def _conf_text(self, extra: Mapping[str, str]) -> str:
        text = super()._conf_text({"GresTypes": "gpu,shard", **extra})
        return re.sub(r"(Gres=\S+)", rf"\1,shard:{SHARDS}", text)

    def _write_conf(self) -> None:
        super()._write_conf()
        with (self.layout.etc / "gres.conf").open("a") as stream:
            stream.writelines(f"NodeName={node} Name=shard Count={SHARDS}\n" for node in self.nodes)


class WithFoundGpus(SlurmCluster):
    """slurmd finds its GPUs as NVIDIA's driver shows them below /proc and /sys; only for a release in its own root."""

    def _write_conf(self) -> None:
        super()._write_conf()
        (self.layout.etc / "gres.conf").write_text("AutoDetect=nvidia\n")
        root = self.installation.root
        assert root is not None
        for folder in ("proc/driver", "sys/bus"):
            self.ledger.mount("-t", "tmpfs", source="aami-lab", target=root / folder)
        for number in range(FOUND_GPUS):
            bus_id = f"0000:{number + 1:02x}:00.0"
            information = _INFORMATION.format(uuid(number), number)
            _write(root / f"proc/driver/nvidia/gpus/{bus_id}/information", information)
            _write(root / f"sys/bus/pci/drivers/nvidia/{bus_id}/local_cpulist", "0-1\n")
            chroot.device(root / f"dev/nvidia{number}", _MAJOR, number)


def uuid(number: int) -> str:
    return f"GPU-00000000-0000-0000-0000-{number:012d}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)
