"""Can this machine run real nodes, and has it room for some more now? Asked before anything is made."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lab.ledger import LabError, LabUnavailable
from tests.lab.waiting import until

_PROGRAMS = ("systemd-nspawn", "debootstrap", "ip", "nsenter", "unshare", "ssh", "ssh-keygen")
_INOTIFY_PER_NODE = 5  # as counted; a machine gives all of root's processes together 128 by default
_PATIENCE = 180.0
_TRY = """
mount -t tmpfs none "$1"
mkdir "$1/lower" "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" none "$1/root"
ip link add aami0 type bridge
ip link add aami1 type veth peer name aami2
"""


def check(nodes: int) -> None:
    """Raise LabUnavailable if real nodes can't run here; wait while others use up what these nodes need."""
    if os.geteuid() != 0:
        raise LabUnavailable("real nodes need root")
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        raise LabUnavailable(f"not installed: {', '.join(missing)}")
    _try_namespaces()
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    try:
        until(
            lambda: _inotify_is_left(nodes * _INOTIFY_PER_NODE),
            f"{nodes * _INOTIFY_PER_NODE} free inotify instances",
            timeout=_PATIENCE,
            evidence=lambda: f"{limit} allows {limit.read_text().strip()}, and others use them",
        )
    except LabError as error:
        raise LabUnavailable(str(error)) from error


def _try_namespaces() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tried = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-e", "-c", _TRY, "sh", scratch],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if tried.returncode != 0:
        raise LabUnavailable(f"no namespaces or no overlay file system here: {tried.stderr.strip()}")


def _inotify_is_left(count: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    taken: list[int] = []
    try:
        while len(taken) < count:
            descriptor = libc.inotify_init1(os.O_CLOEXEC)
            if descriptor < 0:
                return False
            taken.append(descriptor)
    finally:
        for descriptor in taken:
            os.close(descriptor)
    return True
