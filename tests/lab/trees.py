"""Base trees of Debian suites, built once by debootstrap and shared read-only by every run.

A tree is `<cache>/<name>-<suite>-<YYYYMMDD>-<key>`; the key is a hash of what went into it. It is built under
another name and renamed when it is whole, so a killed build leaves nothing that could be used. A process that
uses a tree holds a shared lock on its folder. Nobody writes into a tree: see `tests.lab.chroot` for a private
writable view.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import mirror
from tests.lab.ledger import LabError, LabUnavailable, Ledger, sweep
from tests.lab.mounts import remove, used_anywhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CACHE = Path(os.environ.get("AAMI_LAB_CACHE", "/var/cache/aami-lab"))
_FRESH = {"sid": timedelta(days=7), "testing": timedelta(days=7)}  # suites that move
_FRESH_OTHERS = timedelta(days=30)
_BUILD_LIMIT = 900.0
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_NAME = re.compile(r"(?P<day>\d{8})-(?P<key>[0-9a-f]{8})$")
_in_use: dict[Path, int] = {}  # descriptors whose shared locks live as long as this process


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole Debian system in a folder. `note` says why an old one is used, if it is."""

    path: Path
    suite: str
    built: date
    note: str = ""


def ensure(suite: str, packages: Sequence[str], *, name: str, finish: str = "") -> Tree:
    """A fresh enough tree of the suite with these packages, built if there is none.

    `finish` is a shell script that runs once inside the new tree.
    """
    key = hashlib.sha256(repr((sorted(packages), finish)).encode()).hexdigest()[:8]
    CACHE.mkdir(parents=True, exist_ok=True)
    with _building(f"{name}-{suite}-{key}"):
        trees = _existing(name, suite, key)
        today = datetime.now(tz=timezone.utc).date()
        if not trees or today - trees[-1].built > _FRESH.get(suite, _FRESH_OTHERS):
            target = CACHE / f"{name}-{suite}-{today:%Y%m%d}-{key}"
            try:
                _build(target, suite, packages, finish)
                trees.append(Tree(target, suite, today))
            except LabUnavailable as error:
                if not trees:
                    raise
                trees[-1] = Tree(trees[-1].path, suite, trees[-1].built, f"a newer one failed: {error}")
        tree = trees[-1]
        _hold(tree.path)
        _drop_old(name, suite, keep=tree)
    return tree


def _existing(name: str, suite: str, key: str = "") -> list[Tree]:
    """Whole trees of this name, oldest first."""
    prefix = f"{name}-{suite}-"
    found = []
    for path in CACHE.glob(f"{prefix}*-{key}*"):
        match = _NAME.fullmatch(path.name.removeprefix(prefix))
        if match:
            built = datetime.strptime(match["day"], "%Y%m%d").replace(tzinfo=timezone.utc).date()
            found.append(Tree(path, suite, built))
    return sorted(found, key=lambda tree: tree.built)


@contextlib.contextmanager
def _building(name: str) -> Iterator[None]:
    """One builder at a time; the others wait and then find the tree."""
    try:
        descriptor = os.open(CACHE / f".{name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except PermissionError as error:
        raise LabUnavailable(f"{CACHE} can't be written; the lab runs as root") from error
    try:
        deadline = time.monotonic() + _BUILD_LIMIT
        while not _lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise LabUnavailable(f"somebody else has been building {name} for too long")
            time.sleep(0.5)
        yield
    finally:
        os.close(descriptor)


def _build(target: Path, suite: str, packages: Sequence[str], finish: str) -> None:
    if os.geteuid() != 0:
        raise LabUnavailable("debootstrap needs root")
    if shutil.which("debootstrap") is None:
        raise LabUnavailable("debootstrap is not installed")
    sweep()  # a killed build may still be running or have left its folder
    with Ledger("tree") as ledger:
        unfinished = CACHE / f".building-{ledger.folder.name}"
        ledger.keep_track_of(unfinished)
        private = ("unshare", "--mount", "--propagation", "private")  # its mounts of /proc end with it
        argv = _debootstrap(suite, packages, unfinished, ledger.folder)
        try:
            ledger.run_long(
                *private,
                *argv,
                log="debootstrap.log",
                env=mirror.proxy_environment() | {"DEBIAN_FRONTEND": "noninteractive"},
                timeout=_BUILD_LIMIT,
            )
        except LabError as error:
            raise LabUnavailable(str(error)) from error
        if finish:
            ledger.run("chroot", unfinished, "/bin/sh", "-e", "-c", finish, timeout=_BUILD_LIMIT)
        for package in (unfinished / "var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        unfinished.rename(target)


def _debootstrap(suite: str, packages: Sequence[str], target: Path, scratch: Path) -> list[str]:
    source = mirror.find()
    argv = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    if source.keyring is None:
        argv.append("--no-check-gpg")
    elif isinstance(source.keyring, bytes):
        (scratch / "mirror.gpg").write_bytes(source.keyring)
        argv.append(f"--keyring={scratch / 'mirror.gpg'}")
    elif source.keyring.is_file():
        argv.append(f"--keyring={source.keyring}")
    else:
        raise LabUnavailable(f"{source.keyring} is missing: install debian-archive-keyring")
    script = _SCRIPTS / suite
    return [*argv, suite, str(target), source.uri, str(script if script.exists() else _SCRIPTS / "sid")]


def _drop_old(name: str, suite: str, *, keep: Tree) -> None:
    """Remove trees that nobody uses any more: superseded ones, and other recipes' once they are stale."""
    key = keep.path.name[-8:]
    for doomed in CACHE.glob(".removing-*"):
        remove(doomed)
    for tree in _existing(name, suite):
        superseded = tree.path.name.endswith(key) and tree.built < keep.built
        stale = datetime.now(tz=timezone.utc).date() - tree.built > _FRESH.get(suite, _FRESH_OTHERS)
        if tree.path == keep.path or not (superseded or stale):
            continue
        descriptor = os.open(tree.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if _lock(descriptor, fcntl.LOCK_EX) and not used_anywhere(tree.path):
                remove(tree.path.rename(CACHE / f".removing-{tree.path.name}"))
        finally:
            os.close(descriptor)


def _hold(path: Path) -> None:
    """Keep others from removing the tree while this process lives."""
    if path not in _in_use:
        _in_use[path] = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        _lock(_in_use[path], fcntl.LOCK_SH)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
