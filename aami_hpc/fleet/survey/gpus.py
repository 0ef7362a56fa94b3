"""The NVIDIA GPUs of this machine, seen without asking the driver in our own process.

nvidia-smi is only looked for, never run: it can wait for a sick driver for ever. The driver's own per-GPU
files can do the same, so a child with a deadline reads them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aami_hpc.fleet.survey.sighting import Sighting
from aami_hpc.fleet.survey.tree import NOT_THERE
from aami_hpc.fleet.survey.world import PATIENCE

if TYPE_CHECKING:
    from aami_hpc.fleet.survey.sighting import Sightings
    from aami_hpc.fleet.survey.tree import Tree
    from aami_hpc.fleet.survey.world import World

_PCI = "/sys/bus/pci/devices"
_DEV = "/dev"
_DRIVER = "/proc/driver/nvidia"
_NVIDIA = "0x10de"
_DISPLAY = "0x03"  # PCI class of VGA and 3D controllers; NVSwitches and audio functions have others
_DEVICE_FILE = re.compile(r"nvidia\d+")
_MODEL = re.compile(r"^Model:\s*(\S.*)$", re.MULTILINE)
_DRIVER_VERSION = re.compile(r"\b(\d{3}\.\d+(?:\.\d+)*)\b")


def gpus(world: World) -> Sightings:
    """How many GPUs the bus shows, how many the driver made usable, which model, which driver."""
    tree = world.tree
    count = _on_bus(tree)
    files = _device_files(tree)
    if not count.value and not files.value:
        return (count,)
    if count.value is not None and files.value is not None and count.value != files.value:
        files = Sighting(
            files.key, files.label, files.value, files.source, note=f"the bus shows {count.value} GPUs"
        )
    return (count, files, _model(world), _driver(tree), _tool(world))


def _on_bus(tree: Tree) -> Sighting:
    folder = tree.names(_PCI)
    if folder.why:
        return Sighting("gpus", "GPUs", None, _PCI, unknown=folder.why)
    count = sum(
        tree.read(f"{_PCI}/{name}/vendor").words.strip() == _NVIDIA
        and tree.read(f"{_PCI}/{name}/class").words.startswith(_DISPLAY)
        for name in folder.names
    )
    return Sighting("gpus", "GPUs", count, f"{_PCI}/*/vendor")


def _device_files(tree: Tree) -> Sighting:
    folder = tree.names(_DEV)
    source = f"{_DEV}/nvidia*"
    if folder.why:
        return Sighting("gpu_devices", "GPU device files", None, source, unknown=folder.why)
    count = sum(bool(_DEVICE_FILE.fullmatch(name)) for name in folder.names)
    return Sighting("gpu_devices", "GPU device files", count, source)


def _model(world: World) -> Sighting:
    """The models, as `H100 × 8` when all are equal. `cat` may hang in the driver; the runner gives it up."""
    source = f"{_DRIVER}/gpus/*/information"
    folder = world.tree.names(f"{_DRIVER}/gpus")
    if folder.why:
        why = "the NVIDIA driver is not loaded" if folder.why == NOT_THERE else folder.why
        return Sighting("gpu_model", "GPU model", None, source, unknown=why)
    root = str(world.tree.root).rstrip("/")
    paths = [f"{root}{_DRIVER}/gpus/{name}/information" for name in folder.names]
    answer = world.runner.run(["cat", *paths], timeout=PATIENCE)
    models = sorted(set(_MODEL.findall(answer.stdout)))
    if answer.timed_out:
        why = f"the driver did not answer within {PATIENCE:g} s"
        return Sighting("gpu_model", "GPU model", None, source, unknown=why)
    if not models:
        return Sighting("gpu_model", "GPU model", None, source, unknown="no model named in it")
    return Sighting("gpu_model", "GPU model", ", ".join(model.strip() for model in models), source)


def _driver(tree: Tree) -> Sighting:
    path = f"{_DRIVER}/version"
    found = tree.read(path)
    version = _DRIVER_VERSION.search(found.words)
    if version is None:
        why = found.why and ("the NVIDIA driver is not loaded" if found.why == NOT_THERE else found.why)
        return Sighting("gpu_driver", "GPU driver", None, path, unknown=why or "no version in it")
    return Sighting("gpu_driver", "GPU driver", version.group(1), path)


def _tool(world: World) -> Sighting:
    """Where nvidia-smi is. It is not run."""
    for folder in filter(None, world.environ.get("PATH", "").split(":")):
        path = f"{folder.rstrip('/')}/nvidia-smi"
        if world.tree.runs(path):
            return Sighting("nvidia_smi", "nvidia-smi", path, "$PATH", note="not run: it may hang")
    return Sighting("nvidia_smi", "nvidia-smi", "not found", "$PATH")
