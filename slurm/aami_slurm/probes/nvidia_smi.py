"""Reads the GPUs through nvidia-smi where its library can't be loaded: less is known that way, and each step costs more."""

import signal
import subprocess
import time

from aami_slurm.probes import _gpu_rows
from aami_slurm.probes._gpu_rows import NoDriver
from aami_slurm.text import decode, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

SOURCE = "nvidia-smi"
LARGEST = 1 << 20  # bytes of output
MOST_GPUS = 32
NO_DEVICE = 6  # its exit status
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
OLDER = {"clocks_event_reasons.active": "clocks_throttle_reasons.active"}
RECOVERY = {
    "None": 0, "Reset": 1, "Reboot": 2, "Drain P2P": 3, "Drain and Reset": 4, "Recover IMEX Domain": 5,
    "Bus Reset": 6, "System Reboot": 7,
}  # fmt: skip
UNNAMED_ACTION = 255  # it asks for something that we have no number for
_LOST = "Unable to determine the device handle for"
_NOT_A_FIELD = ('Field "', '" is not a valid field')


class NoProgram(Exception):  # noqa: N818 - the house's way to name errors
    """nvidia-smi is not here, or can't be run."""


def _text(told: "str") -> "Optional[str]":
    return plain(told, 200) or None


def _yes(told: "str") -> "int":
    return {"Yes": 1, "No": 0}[told]


def _enabled(told: "str") -> "bool":
    return {"Enabled": True, "Disabled": False}[told]


def _hex(told: "str") -> "int":
    return int(told, 16)


# nvidia-smi's field: our key, and what makes its words a value.
FIELDS: "Tuple[Tuple[str, str, Callable[[str], Any]], ...]" = (
    ("index", "nvml_index", int), ("uuid", "uuid", _text), ("pci.bus_id", "bus_id", _gpu_rows.bus_id),
    ("serial", "serial", _text), ("name", "model", _text), ("vbios_version", "vbios", _text),
    ("driver_version", "driver", _text), ("mig.mode.current", "mig", _enabled),
    ("gpu_recovery_action", "recovery_action", lambda told: RECOVERY.get(told, UNNAMED_ACTION)),
    ("ecc.mode.current", "ecc_mode", _enabled),
    ("ecc.errors.uncorrected.volatile.total", "ecc_uncorrectable", int),
    ("remapped_rows.correctable", "correctable", int), ("remapped_rows.uncorrectable", "uncorrectable", int),
    ("remapped_rows.pending", "pending", _yes), ("remapped_rows.failure", "failure", _yes),
    ("temperature.gpu", "temperature", int), ("clocks_event_reasons.active", "throttle", _hex),
)  # fmt: skip
REMAP = ("correctable", "uncorrectable", "pending", "failure")


class Smi:
    """The program of this node, with the fields that its release knows."""

    def __init__(self, program: "str") -> "None":
        self._program = program
        self._names = {field: field for field, _, _ in FIELDS}

    def run(self, *arguments: "str") -> "Tuple[int, str]":
        """(status, output). It stays in the probe's session and has the probe's time: who ends one ends both."""
        left = signal.getitimer(signal.ITIMER_REAL)[0]
        try:
            child = subprocess.Popen(
                [self._program, *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT,
                preexec_fn=lambda: signal.setitimer(signal.ITIMER_REAL, left) and None,  # noqa: PLW1509 - no threads
            )  # fmt: skip
        except OSError as error:
            raise NoProgram("%s: %s" % (self._program, error.strerror)) from None
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        with child:
            said = child.stdout.read(LARGEST)
            if len(said) == LARGEST:
                child.kill()
                raise NoDriver("%s says more than %d bytes" % (self._program, LARGEST))
        return child.returncode, decode(said)

    def query(self, *which: "str") -> "Tuple[int, str, List[Dict[str, Any]]]":
        """(status, output, rows). Asks again without what this release does not know."""
        for _ in range(len(FIELDS) + len(OLDER)):
            names = ",".join(name for name in self._names.values() if name)
            status, said = self.run("--query-gpu=" + names, "--format=csv,noheader,nounits", *which)
            if not self._drop_unknown(said):
                break
        rows = [] if status else [self._row(line) for line in said.splitlines()]
        if status == 0 and not (rows and all(row.get("uuid") and row.get("bus_id") for row in rows)):
            # It must not look like a node without GPUs.
            raise NoDriver("%s says something else than it was asked: %s" % (self._program, plain(said, 80)))
        return status, said, rows

    def _drop_unknown(self, said: "str") -> "bool":
        begin, end = _NOT_A_FIELD
        unknown = said.partition(begin)[2].partition(end)[0]
        for field, name in self._names.items():
            if unknown and name == unknown:
                self._names[field] = OLDER.get(name, "")
                return True
        return False

    def _row(self, line: "str") -> "Dict[str, Any]":
        """The values of one line by our keys; empty for a line that is none of a GPU."""
        asked = [(key, make) for field, key, make in FIELDS if self._names[field]]
        said = [word.strip() for word in line.split(",")]
        if len(said) != len(asked):
            return {}
        told: "Dict[str, Any]" = {}
        for place, (key, make) in enumerate(asked):
            told[key] = _value(said[place], make)
        return told


def _value(word: "str", make: "Callable[[str], Any]") -> "Any":
    """None for what it does not tell, in whatever words."""
    if word.startswith("[") or word == "N/A":
        return None
    try:
        return make(word)
    except (ValueError, KeyError):
        return None


def read(program: "str", uuids: "Optional[List[str]]" = None, proc: "str" = "/proc") -> "Dict[str, Any]":
    """The reading of all GPUs, or of those with these UUIDs."""
    mono_us = int(time.monotonic() * 1000000)
    smi = Smi(program)
    status, said, told = smi.query()
    lost: "List[Dict[str, Any]]" = []
    if status and _LOST in said:
        told, lost = _one_by_one(smi)
    elif status not in (0, NO_DEVICE):
        raise NoDriver("%s: status %d: %s" % (program, status, plain(said, 160)))
    gpus = [_made(row, proc) for row in told if uuids is None or row["uuid"] in uuids]
    _add_parts(smi, gpus)
    _add_processes(smi, gpus, proc)
    _add_links(smi, gpus)
    driver = next((row["driver"] for row in told if row.get("driver")), None)
    return _gpu_rows.reading(SOURCE, driver, mono_us, gpus + lost, whole=uuids is None)


def _one_by_one(smi: "Smi") -> "Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]":
    """(rows, lost GPUs): one that is lost makes a question about all of them fail."""
    told: "List[Dict[str, Any]]" = []
    lost = []
    for index in range(MOST_GPUS):
        status, said, rows = smi.query("-i", str(index))
        if status and _LOST not in said:
            break  # there is none of this number
        told += rows
        if status:
            lost.append(_lost(index, said.partition(_LOST)[2]))
    return told, lost


def _lost(index: "int", said: "str") -> "Dict[str, Any]":
    """The GPU of ` GPU0000:9D:00.0: GPU is lost.  Reboot the system ..`, however it is spelled."""
    place, _, why = said.partition(": ")
    place = place.lower().replace("gpu", "").strip()
    trouble = "gpu-is-lost" if "gpu is lost" in why.lower() else "-".join(plain(why, 40).lower().split())
    return _gpu_rows.row(nvml_index=index, bus_id=_gpu_rows.bus_id(place), trouble=trouble or "unknown-error")


def _made(told: "Dict[str, Any]", proc: "str") -> "Dict[str, Any]":
    remap = [told.get(key) for key in REMAP]
    known = {key: value for key, value in told.items() if key not in (*REMAP, "driver", "mig")}
    return _gpu_rows.row(
        mig=[] if told.get("mig") else None,
        remap=None if remap == [None] * len(REMAP) else _gpu_rows.remap(*remap),
        links=[], processes=[], minor=_minor(proc, known.get("bus_id")), **known,
    )  # fmt: skip


def _minor(proc: "str", bus_id: "Optional[str]") -> "Optional[int]":
    """The number of its device file, which nvidia-smi does not tell and the driver's folder does."""
    try:
        with open("%s/driver/nvidia/gpus/%s.0/information" % (proc, bus_id), "rb") as source:
            for line in decode(source.read(4096)).splitlines():
                if line.startswith("Device Minor:"):
                    return int(line.rpartition(":")[2])
    except (OSError, ValueError):
        pass  # then nobody tells
    return None


def _add_parts(smi: "Smi", gpus: "List[Dict[str, Any]]") -> "None":
    """MIG devices, from the list; their instances only where the old form of the UUID tells them."""
    if not any(gpu["mig"] == [] for gpu in gpus):
        return
    by_uuid = {gpu["uuid"]: gpu for gpu in gpus}
    gpu = None
    for line in smi.run("-L")[1].splitlines():
        uuid = line.rpartition("(UUID: ")[2].rstrip(")").strip()
        if line.startswith("GPU "):
            gpu = by_uuid.get(uuid)
        elif gpu is not None and gpu["mig"] is not None and uuid.startswith("MIG-"):
            numbers = [int(part) if part.isdigit() else None for part in uuid.split("/")[1:3]]
            gi, ci = numbers if len(numbers) == 2 else (None, None)  # noqa: PLR2004 - a pair
            gpu["mig"].append({"uuid": plain(uuid, 100), "gi": gi, "ci": ci})


def _add_processes(smi: "Smi", gpus: "List[Dict[str, Any]]", proc: "str") -> "None":
    status, said = smi.run(
        "--query-compute-apps=gpu_uuid,pid,used_memory,name", "--format=csv,noheader,nounits"
    )
    by_uuid = {gpu["uuid"]: gpu for gpu in gpus}
    for line in said.splitlines() if status == 0 else []:
        words = line.split(", ", 3)  # the name comes last: it may have anything in it
        if len(words) == 4 and words[0] in by_uuid and words[1].isdigit():  # noqa: PLR2004 - as asked
            memory = int(words[2]) << 20 if words[2].isdigit() else None
            by_uuid[words[0]]["processes"].append(_gpu_rows.process(proc, int(words[1]), words[3], memory))
    if status:
        for gpu in gpus:
            gpu["processes"] = None


def _add_links(smi: "Smi", gpus: "List[Dict[str, Any]]") -> "None":
    by_uuid = {gpu["uuid"]: gpu for gpu in gpus}
    gpu = None
    for line in smi.run("nvlink", "-s")[1].splitlines():
        words = line.strip()
        if line.startswith("GPU "):
            gpu = by_uuid.get(line.rpartition("(UUID: ")[2].rstrip(")").strip())
        elif gpu is not None and words.startswith("Link "):
            number, _, state = words[5:].partition(":")
            if number.isdigit():
                gpu["links"].append({"link": int(number), "active": "inactive" not in state.lower()})
