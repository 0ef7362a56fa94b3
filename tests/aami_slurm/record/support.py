"""A node's memory below a folder: a clock that stands still, a kernel log to write into, GPUs, jobs, and the book."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

import aami_slurm
import aami_xid
from aami_slurm.book import Book
from aami_slurm.clock import Clock
from aami_slurm.job import JobRun
from aami_slurm.log import SCHEMA, lines_of, parse
from aami_slurm.places import Places

PACKAGES = [str(Path(str(package.__file__)).resolve().parents[1]) for package in (aami_slurm, aami_xid)]
SCHEMAS = Path(str(aami_slurm.__file__)).resolve().parents[1] / "schema"
BOOT = "0d1e2f30-0000-4000-8000-00000000000a"
LATER_BOOT = "0d1e2f30-0000-4000-8000-00000000000b"
MICRO = 1_000_000
BEGIN = 1000.0  # seconds since boot, when a test begins
WALL = 1795150000.0


class Still(Clock):
    """Moves only when told to, or when somebody sleeps."""

    def __init__(self, mono: float = BEGIN) -> None:
        self.now = mono

    def wall(self) -> float:
        return WALL + self.now

    def mono(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Memory:
    """One node's state folders, and what its hooks are given."""

    def __init__(self, root: Path, boot_id: str = BOOT) -> None:
        self.root = root
        self.boot_id = boot_id
        (root / "proc").mkdir(parents=True, exist_ok=True)
        (root / "sys").mkdir(exist_ok=True)
        self.places = Places(str(root))
        self.clock = Still()
        self.kmsg = root / "kmsg"
        self.kmsg.touch()
        self.kernel_seq = len(self.kmsg.read_bytes().splitlines())

    def book(self, clock: Clock | None = None) -> Book:
        return Book(self.places, clock or self.clock, "gpu-001", "lab", self.boot_id)

    def says(self, *messages: str, facility: int = 0) -> int:
        """Records at the end of the kernel log, each a millisecond after the one before; the last one's number."""
        with self.kmsg.open("ab") as log:
            for place, message in enumerate(messages):
                moment = int(self.clock.mono() * MICRO) + place * 1000
                log.write(f"{facility * 8 + 4},{self.kernel_seq},{moment},-;{message}\n".encode())
                self.kernel_seq += 1
        return self.kernel_seq - 1

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        return [
            line
            for line in lines_of(self.places.journal, self.boot_id)
            if kind is None or line["kind"] == kind
        ]

    def entries(self, op: str | None = None) -> list[dict[str, Any]]:
        return [line for line in lines_of(self.places.ledger, self.boot_id) if op is None or line["op"] == op]

    def forget_snapshot(self) -> None:
        (Path(self.places.run) / "state.json").unlink(missing_ok=True)


def uuid(gpu: int) -> str:
    return f"GPU-00000000-0000-4000-8000-{gpu:012d}"


def bus_id(gpu: int) -> str:
    return f"0000:{0xC0 + gpu:02x}:00"


def inventory(gpus: int = 8) -> dict[str, Any]:
    return {
        "gpus": [
            {"uuid": uuid(gpu), "bus_id": bus_id(gpu), "nvml_index": gpu, "slurm_index": gpu, "mig": None}
            for gpu in range(gpus)
        ]
    }


def held(*gpus: int, mig: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """GPUs as a run of the ledger names them."""
    return [
        {"uuid": uuid(gpu), "bus_id": bus_id(gpu), "slurm_index": gpu, "nvml_index": gpu, "mig": mig}
        for gpu in gpus
    ]


def job(job_id: int = 1001, **environ: str) -> JobRun:
    told = {"SLURM_JOB_ID": str(job_id), "SLURM_JOB_USER": "alice", "SLURM_JOB_UID": "1000"}
    return JobRun({**told, **environ}, "lab")


def xid(gpu: int, code: int, text: str = "pid=77, name=python, Ch 00000008") -> str:
    return f"NVRM: Xid (PCI:{bus_id(gpu)}): {code}, {text}"


@cache
def _schemas(name: str) -> dict[bool, jsonschema.Draft202012Validator]:
    """What validates a line (False) and a segment's header (True)."""
    told: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(told)
    header = told["$defs"]["segment"]
    return {False: jsonschema.Draft202012Validator(told), True: jsonschema.Draft202012Validator(header)}


def check_lines(memory: Memory) -> None:
    """Every whole line on disk is as the schemas say, headers too."""
    for folder, name in ((memory.places.journal, "event"), (memory.places.ledger, "ledger")):
        for path in sorted(Path(folder).glob("*.jsonl")):
            for line in parse(path.read_bytes(), path.name)[0]:
                _schemas(name)[line["schema"] == SCHEMA].validate(line)
