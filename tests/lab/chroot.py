"""A private, writable view of a shared base tree, to run programs in: an overlay with /proc, /sys and a small /dev."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

from tests.lab.ledger import LabError, LabUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.lab.ledger import Ledger
    from tests.lab.trees import Tree

_DEVICES = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}  # minors of major 1


def enter(ledger: Ledger, tree: Tree, *, shared: Sequence[Path] = ()) -> Path:
    """Mount the tree's private view below the ledger's folder; its root.

    The folders in `shared` are this machine's, visible inside under the same names.
    """
    root = ledger.folder / "root"
    upper, work = ledger.folder / "upper", ledger.folder / "work"
    for folder in (upper, work):
        folder.mkdir()
    layers = f"lowerdir={tree.path},upperdir={upper},workdir={work}"
    try:
        ledger.mount("-t", "overlay", "-o", layers, source="overlay", target=root)
    except LabError as error:
        raise LabUnavailable(str(error)) from error
    ledger.mount("-t", "proc", source="proc", target=root / "proc")
    ledger.mount("-t", "sysfs", "-o", "ro", source="sysfs", target=root / "sys")
    _devices(root / "dev")
    shutil.copy("/etc/hosts", root / "etc/hosts")
    for folder in shared:
        ledger.mount("--bind", source=folder, target=root / folder.relative_to("/"))
    return root


def device(path: Path, major: int, minor: int) -> None:
    """Make a character device; a driver behind it is not needed."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    except PermissionError as error:
        raise LabUnavailable(f"this machine makes no device nodes: {error}") from error
    path.chmod(0o666)


def _devices(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, minor in _DEVICES.items():
        (folder / name).unlink(missing_ok=True)
        device(folder / name, 1, minor)
    (folder / "shm").mkdir(exist_ok=True)
    (folder / "shm").chmod(0o1777)
