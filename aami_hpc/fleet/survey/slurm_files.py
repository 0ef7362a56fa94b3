"""Slurm's own files on this machine: where slurm.conf is, and what it says when the controller can't.

This reads the simple `Key=Value` lines alone. It never stands in for Slurm's own answer: it is told apart by
its source.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aami_hpc.fleet.survey.tree import Tree
    from aami_hpc.fleet.survey.world import World

# Where packages, tarballs and slurmd without a file of its own (configless) keep slurm.conf.
USUAL = (
    "/etc/slurm/slurm.conf",
    "/run/slurm/conf/slurm.conf",
    "/etc/slurm-llnl/slurm.conf",
    "/usr/local/etc/slurm.conf",
    "/opt/slurm/etc/slurm.conf",
)
# Folders of scontrol that are often missing in $PATH.
USUAL_BIN = ("/usr/bin", "/usr/local/bin", "/opt/slurm/bin", "/usr/local/slurm/bin", "/opt/slurm/current/bin")
_BESIDE = ("slurm.conf", "gres.conf", "cgroup.conf", "topology.conf", "job_container.conf", "plugstack.conf")
_LIMIT = 8 * 1024 * 1024
_LONGEST = 4096  # characters; a longer line is a list of nodes
# Lines that describe nodes, partitions and the like hold several values; none of them is asked here.
_LISTS = {"nodename", "partitionname", "nodeset", "frontendname", "downnodes", "switchname"}
_ASSIGNMENT = re.compile(r"\s*([A-Za-z]\w*)\s*=\s*(\"[^\"]*\"|\S.*?)\s*$")
_INCLUDE = re.compile(r"\s*include\s+(\S+)\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SlurmFile:
    """slurm.conf: where it is, how that is known, what it says, or why it can't be read."""

    path: str = ""
    known_from: str = ""
    values: Mapping[str, str] = field(default_factory=dict)  # keys in lower case
    why: str = ""


def slurm_file(world: World, configured: str = "", answered: str = "") -> SlurmFile:
    """The slurm.conf in use: configured, in the environment, named by Slurm, or at one of the usual places."""
    usual = next((place for place in USUAL if world.tree.exists(place)), "")
    candidates = (
        (configured, "slurm.conf in the configuration"),
        (world.environ.get("SLURM_CONF", ""), "$SLURM_CONF"),
        (answered, "scontrol show config"),
        (usual, "its usual place"),
    )
    path, known_from = next((pair for pair in candidates if pair[0]), ("", ""))
    if not path:
        return SlurmFile(why="it is at none of the usual places, and $SLURM_CONF is not set")
    found = world.tree.read(path, limit=_LIMIT)
    if found.why:
        return SlurmFile(path, known_from, why=found.why)
    return SlurmFile(path, known_from, dict(_values(world.tree, path, found.words, set())))


def texts(tree: Tree, conf: str) -> Mapping[str, str]:
    """The beginnings of Slurm's files beside slurm.conf, by path: to see who else writes them."""
    folder = conf.rpartition("/")[0]
    found = {}
    for name in _BESIDE if conf else ():
        text = tree.read(f"{folder}/{name}", cut=True)
        if not text.why:
            found[f"{folder}/{name}"] = text.words
    return found


def commands(world: World) -> str:
    """The folder that holds scontrol: from $PATH, else one of the usual ones; empty when there is none."""
    in_path = [folder for folder in world.environ.get("PATH", "").split(":") if folder.startswith("/")]
    for folder in (*in_path, *USUAL_BIN):
        if world.tree.runs(f"{folder.rstrip('/')}/scontrol"):
            return folder
    return ""


def _values(tree: Tree, path: str, text: str, done: set[str]) -> Iterator[tuple[str, str]]:
    """Assignments of the file and of the files it includes, each once; the last one of a key wins, as in Slurm."""
    done.add(path)
    for line in _lines(text):
        included = _INCLUDE.fullmatch(line)
        if included:
            other = posixpath.join(path.rpartition("/")[0], included.group(1))
            if other not in done:
                yield from _values(tree, other, tree.read(other, limit=_LIMIT).words, done)
            continue
        assignment = _ASSIGNMENT.fullmatch(line)
        if assignment and assignment.group(1).lower() not in _LISTS:
            yield assignment.group(1).lower(), assignment.group(2).strip('"')


def _lines(text: str) -> Iterator[str]:
    """Lines without comments, continued lines joined."""
    kept = ""
    for line in text.splitlines():
        kept += line.split("#", 1)[0].rstrip()
        if kept.endswith("\\"):
            kept = kept[:-1]
            continue
        if len(kept) <= _LONGEST:
            yield kept
        kept = ""
