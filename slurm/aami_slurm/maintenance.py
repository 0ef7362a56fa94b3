"""Tells whether somebody holds the driver on purpose: our own reset, a person's, a diagnosis, a bug report.

Only what root runs counts: a user's process can have any name.
"""

import os

from aami_slurm import fast_json
from aami_slurm.register import lives
from aami_slurm.text import decode, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from aami_slurm.places import Places

LARGEST = 64 << 10
_SHELLS = ("sh", "bash", "dash")
_REPORT = "nvidia-bug-report.sh"
# As the kernel cuts them, at 15 characters. A script is known by its own name or by its shell's.
_NAMES = frozenset(name[:15] for name in ("dcgmi", "nvidia-smi", "nvvs", _REPORT, *_SHELLS))
_RESETS = ("-r", "--gpu-reset")
_MIG_MODE = ("-mig", "--multi-instance-gpu")


def busy(places: "Places") -> "Optional[str]":
    """What is under way, in words, or None."""
    return marked(places) or _running(places.proc)


def marked(places: "Places") -> "Optional[str]":
    """What we are doing ourselves: a file in run/busy, one document {"what", "pid", "started"}, as long as it lives."""
    folder = places.run + "/busy"
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return None
    for name in names:
        try:
            told = fast_json.loads(decode(_head(folder + "/" + name)))
        except (OSError, ValueError):
            continue
        if isinstance(told, dict) and lives(places.proc, told.get("pid"), told.get("started")):
            return plain("%s is under way (process %d)" % (told.get("what"), told["pid"]), 120)
    return None


def _running(proc: "str") -> "Optional[str]":
    try:
        names = os.listdir(proc)
    except OSError:
        return None
    for name in names:
        if name.isdigit():
            what = _what("%s/%s" % (proc, name))
            if what:
                return plain("%s is running (process %s)" % (what, name), 120)
    return None


def _what(folder: "str") -> "str":
    """The work of one process if it is root's and stops the driver from answering, else nothing."""
    try:
        if decode(_head(folder + "/comm")).rstrip("\n") not in _NAMES or not _is_roots(folder):
            return ""
        return work_of([decode(word) for word in _head(folder + "/cmdline").split(b"\0") if word])
    except OSError:
        return ""  # it has ended meanwhile


def _is_roots(folder: "str") -> "bool":
    """Started by root and running as root: what is setuid belongs to whoever called it."""
    for line in _head(folder + "/status").splitlines():
        if line.startswith(b"Uid:"):
            return line.split()[1:3] == [b"0", b"0"]
    return False


def work_of(argv: "List[str]") -> "str":
    """What a command line does to the driver, in words; empty for the harmless ones."""
    if not argv:
        return ""
    program, rest = os.path.basename(argv[0]), argv[1:]
    if program in _SHELLS and rest and os.path.basename(rest[0]) == _REPORT:
        program = _REPORT
    if program in ("nvvs", _REPORT):
        return program
    if program == "dcgmi" and "diag" in rest:
        return "dcgmi diag"
    return _of_nvidia_smi(rest) if program == "nvidia-smi" else ""


def _of_nvidia_smi(rest: "List[str]") -> "str":
    words = [word.partition("=")[0] for word in rest]
    if any(word in _RESETS for word in words):
        return "nvidia-smi " + _RESETS[1]
    if (words[:1] == ["mig"] and any(word.startswith("-") for word in words)) or any(
        word in _MIG_MODE for word in words
    ):
        return "nvidia-smi mig"
    return ""


def _head(path: "str") -> "bytes":
    with open(path, "rb") as source:
        return source.read(LARGEST)
