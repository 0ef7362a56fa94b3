"""The shape of a reading of the GPUs, whichever tool it comes from."""

from aami_slurm.register import life
from aami_slurm.text import decode, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

KEYS = (
    "uuid", "bus_id", "nvml_index", "minor", "serial", "model", "vbios", "mig", "trouble", "recovery_action",
    "ecc_uncorrectable", "ecc_mode", "remap", "links", "processes", "temperature", "slowdown_limit", "throttle",
)  # fmt: skip


class NoDriver(Exception):  # noqa: N818 - the house's way to name errors
    """The NVIDIA driver can't be asked at all; the words say why."""


def reading(
    source: "str", driver: "Optional[str]", mono_us: "int", gpus: "List[Dict[str, Any]]", *, whole: "bool"
) -> "Dict[str, Any]":
    """`whole`: all GPUs of the node were asked for."""
    return {"source": source, "driver": driver, "mono_us": mono_us, "whole": whole, "gpus": gpus}


def row(**known: "Any") -> "Dict[str, Any]":
    """One GPU: what is known, and None for the rest."""
    made: "Dict[str, Any]" = dict.fromkeys(KEYS)
    made.update(known)
    return made


def bus_id(told: "str") -> "Optional[str]":
    """`0000:c1:00` of any of the forms that tools write."""
    try:
        domain, bus, device = told.strip().partition(".")[0].split(":")
        return "%04x:%02x:%02x" % (int(domain, 16), int(bus, 16), int(device, 16))
    except ValueError:
        return None


def remap(
    correctable: "Optional[int]",
    uncorrectable: "Optional[int]",
    pending: "Optional[int]",
    failure: "Optional[int]",
) -> "Dict[str, Any]":
    return {
        "correctable": correctable,
        "uncorrectable": uncorrectable,
        "pending": pending,
        "failure": failure,
    }


def process(proc: "str", pid: "int", name: "Optional[str]", memory: "Optional[int]") -> "Dict[str, Any]":
    """A process that computes, with what tells it from a later one of the same number and whose it is."""
    found = life(proc, pid)
    return {
        "pid": pid,
        "started": found and found.started,
        "uid": None if found is None else _uid("%s/%d/status" % (proc, pid)),
        "name": plain(name, 64) if name else None,
        "memory": memory,
    }


def _uid(path: "str") -> "Optional[int]":
    try:
        with open(path, "rb") as source:
            for line in decode(source.read(65536)).splitlines():
                if line.startswith("Uid:"):
                    return int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass  # it has ended meanwhile
    return None
