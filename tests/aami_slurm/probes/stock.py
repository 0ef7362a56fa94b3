"""A node through its boots, and readings of its GPUs, for tests of the inventory."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema

from aami_slurm import inventory
from aami_slurm.probes._gpu_rows import row
from tests.aami_slurm.probes.support import SLURM

if TYPE_CHECKING:
    from aami_slurm.places import Places
    from tests.aami_slurm.probes.support import SetClock
SCHEMA = jsonschema.Draft202012Validator(json.loads((SLURM / "schema/inventory.schema.json").read_text()))
BOOT, NEXT = "0d7c5f1e-1111-4222-8333-444455556666", "e1e1e1e1-1111-4222-8333-444455556666"
NODE = "gpu-001"


def gpu_row(number: int, **changes: Any) -> dict[str, Any]:
    known = {
        "uuid": f"GPU-{number:08x}", "bus_id": f"0000:{0x10 + number:02x}:00", "nvml_index": number, "minor": number,
        "serial": f"S{number}", "model": "NVIDIA H100", "vbios": "96", "links": [], "processes": [],
    }  # fmt: skip
    return row(**{**known, **changes})


def reading_of(*gpus: dict[str, Any], **changes: Any) -> dict[str, Any]:
    read = {"source": "nvml", "driver": "580.1", "mono_us": 1, "whole": True, "gpus": list(gpus)}
    return {**read, **changes}


def four(**changes: Any) -> dict[str, Any]:
    return reading_of(*(gpu_row(number) for number in range(4)), **changes)


class Node:
    """One node through its boots."""

    def __init__(self, places: Places, clock: SetClock) -> None:
        self.places, self.clock, self.boot, self.order = places, clock, BOOT, "bus"

    def update(self, reading: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        before = copy.deepcopy(reading)
        made, changes = inventory.update(self.places, self.clock, NODE, self.boot, reading, self.order)
        assert reading == before, "what was read belongs to others"
        SCHEMA.validate(made)
        if not any("can't be saved" in words for words in changes):
            assert inventory.load(self.places, self.boot) == made
        return made, changes

    @property
    def files(self) -> list[Path]:
        return sorted(Path(self.places.inventory).iterdir())
