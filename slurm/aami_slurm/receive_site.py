"""What is on this node of the generations, read back from the files themselves: nothing is taken from what an
installation said before, and nothing from code of the tree, which may be damaged.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import sys
import time

from aami_slurm.receive_files import drop, files, link, read, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

LAUNCHERS = (
    ("prolog", "/usr/libexec/aami-hpc"),
    ("epilog", "/usr/libexec/aami-hpc"),
    ("health", "/usr/libexec/aami-hpc"),
    ("aami-node", "/usr/bin"),
)
SERVICE, TIMER = "aami-health.service", "aami-health.timer"
UNITS = (SERVICE, TIMER)
OURS = b"# Written by aami-hpc"  # the first words of a unit of ours
OWN = frozenset({"manifest.json", "python", "previous"})  # in a tree, and not in the list of its files
GENERATION = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}\Z")
SHOWN = 20  # damaged files that are named
STALE = 3600.0  # seconds after which an upload that nobody installed is left over
SYSTEMCTL = 15.0
SAME, DIFFERS, MISSING, LEFT, NONE = "same", "differs", "missing", "left", "none"


class Trouble(Exception):  # noqa: N818 - the house's way to name errors
    """It can't be done; the words say why."""


class Site:
    """Where things are on this node, or below `root`; and the step that is under way, for the words of a failure."""

    def __init__(self, root: "str") -> "None":
        self.root = root
        self.library = root + "/usr/lib/aami-hpc"
        self.etc = root + "/etc/aami-hpc"
        self.units = root + "/etc/systemd/system"
        self.step = "look"

    def tree(self, name: "str") -> "str":
        return self.library + "/" + name

    def launchers(self) -> "List[Tuple[str, str]]":
        return [(name, self.root + folder + "/" + name) for name, folder in LAUNCHERS]

    def current(self) -> "Optional[str]":
        """The generation in force, as the link tells it now."""
        try:
            name = os.readlink(self.library + "/current")
        except OSError:
            return None
        return name if GENERATION.match(name) and os.path.isdir(self.tree(name)) else None

    def generations(self) -> "List[str]":
        try:
            names = os.listdir(self.library)
        except OSError:
            return []
        return sorted(name for name in names if GENERATION.match(name))

    def before(self, name: "str") -> "Optional[str]":
        """The generation that this one replaced, if it is still here."""
        told = read(self.tree(name) + "/previous").decode("ascii", "replace").strip()
        return told if GENERATION.match(told) and os.path.isdir(self.tree(told)) else None

    def chain(self) -> "List[str]":
        """The generations to go back to, the last one first."""
        found: "List[str]" = []
        name = self.current()
        while name is not None and name not in found:
            found.append(name)
            name = self.before(name)
        return found[1:]

    @contextlib.contextmanager
    def alone(self) -> "Iterator[None]":
        """One change at a time on this node; what a killed one left goes first."""
        self.step = "lock"
        with open(self.library + "/.lock", "wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Trouble("another change is under way on this node") from None
            self._sweep()
            yield

    def _sweep(self) -> "None":
        folders = {
            self.library,
            self.etc,
            self.units,
            *(os.path.dirname(path) for _, path in self.launchers()),
        }
        for folder in sorted(filter(os.path.isdir, folders)):
            for name in os.listdir(folder):
                if name.startswith(".") and ".aami-" in name and not _fresh_upload(folder + "/" + name):
                    drop(folder + "/" + name)

    def point(self, name: "str") -> "None":
        """Put a generation in force: one rename."""
        link(self.library + "/current", name)

    def has_systemd(self) -> "bool":
        return not self.root and os.path.isdir("/run/systemd/system")

    # --- what is there against what should be

    def launcher(self, path: "str", tree: "str") -> "str":
        """`same`, `differs` or `missing`; `left` where something is that should not be."""
        wanted = "%s/launchers/%s" % (tree, os.path.basename(path))
        expected = bool(tree) and os.path.exists(wanted)
        if not os.path.lexists(path):
            return MISSING if expected else NONE
        if not expected:
            return LEFT
        return SAME if read(path) == read(wanted) and os.access(path, os.X_OK) else DIFFERS

    def unit(self, name: "str", tree: "str") -> "str":
        there = read(self.units + "/" + name)
        wanted = read(tree + "/units/" + name) if tree else b""
        if there == wanted:
            return SAME if wanted else NONE
        if wanted:
            return DIFFERS if there else MISSING
        return LEFT if there.startswith(OURS) else NONE

    def timer(self, tree: "str") -> "Optional[bool]":
        """Whether the timer runs; None where there should be none, or nobody to ask."""
        if not tree or not os.path.exists(tree + "/units/" + TIMER) or not self.has_systemd():
            return None
        return run(["systemctl", "is-active", "--quiet", TIMER], SYSTEMCTL)[0] == 0


def manifest(tree: "str") -> "Optional[Dict[str, Any]]":
    """What was sent, as the tree tells it; None where it can't be read."""
    try:
        told = json.loads(read(tree + "/manifest.json").decode("utf-8"))
    except ValueError:
        return None
    return told if isinstance(told, dict) and isinstance(told.get("files"), dict) else None


def damage(tree: "str", told: "Optional[Dict[str, Any]]") -> "List[str]":
    """Files that are not as they were sent, and files that nobody sent: one more module could stand in for ours."""
    if told is None:
        return ["manifest.json can't be read"]
    found = []
    for path, digest in sorted(told["files"].items()):
        if not os.path.isfile(tree + "/" + path):
            found.append("%s is missing" % path)
        elif sha256(tree + "/" + path) != digest:
            found.append("%s was changed" % path)
    strange = (path for path in files(tree) if path not in told["files"] and path not in OWN)
    found += ["%s is not ours" % path for path in strange]
    return found[:SHOWN] + (["and %d more" % (len(found) - SHOWN)] if len(found) > SHOWN else [])


def sha256(path: "str") -> "str":
    return hashlib.sha256(read(path)).hexdigest()


def compiled(path: "str") -> "bool":
    """Whether this interpreter finds byte code that belongs to the source: without it every hook compiles anew."""
    head = read(importlib.util.cache_from_source(path))[:16]
    if head[:4] != importlib.util.MAGIC_NUMBER:
        return False
    source_hash = getattr(importlib.util, "source_hash", None)  # 3.6 has none, and no flags before the time
    if source_hash is not None and head[4] & 1:
        return bool(head[8:16] == source_hash(read(path)))
    found = os.stat(path)
    stamp = b"".join(
        (int(value) & 0xFFFFFFFF).to_bytes(4, "little") for value in (found.st_mtime, found.st_size)
    )
    return head[-8:] == stamp if source_hash is not None else head[4:12] == stamp


def same_file(left: "str", right: "str") -> "bool":
    try:
        return os.path.samefile(left, right)
    except OSError:
        return False


def last_runs(root: "str") -> "Dict[str, float]":
    """How many seconds ago each hook ran last, as far as it is known in this boot."""
    try:
        told = json.loads(read(root + "/run/aami-hpc/state.json").decode("utf-8"))["notes"]["hooks"]
        return {name: round(time.time() - run["time"], 1) for name, run in told.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _fresh_upload(path: "str") -> "bool":
    try:
        return ".upload-" in path and time.time() - os.lstat(path).st_mtime < STALE
    except OSError:
        return False


def version() -> "str":
    return "%d.%d.%d" % sys.version_info[:3]
