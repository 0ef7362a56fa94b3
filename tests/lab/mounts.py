"""Mounts below a folder, and how a folder is removed without ever going through one."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

_LIMIT = 30.0


def below(folder: Path, table: Path = Path("/proc/self/mountinfo")) -> list[str]:
    """Where something is mounted in or on the folder, outermost first."""
    lines = table.read_text(errors="replace").splitlines()
    targets = (_unescape(line.split()[4]) for line in lines)
    return sorted(target for target in targets if target == str(folder) or target.startswith(f"{folder}/"))


def used_anywhere(folder: Path) -> bool:
    """Does any process see a mount on, below or (as an overlay's layer) of the folder?"""
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):
            if str(folder) in _unescape(table.read_text(errors="replace")):
                return True
    return False


def unmount(target: str) -> None:
    """Detach what is mounted there; nothing may be."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["umount", "--lazy", target], capture_output=True, timeout=_LIMIT, check=False)


def remove(folder: Path) -> None:
    """Remove a folder with all in it; what can't be unmounted stays."""
    for target in reversed(below(folder)):
        unmount(target)
    if not below(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _unescape(text: str) -> str:
    return text.replace(r"\040", " ")
