"""What only the nodes can show: whether the programs are there, whether Python is, what a boot leaves behind."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from aami_hpc.fleet.nodeset import fold
from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.answer import SAYS
from aami_hpc.hooks.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aami_hpc.hooks.doctor.answer import Status
    from aami_hpc.hooks.doctor.facts import Facts
    from aami_hpc.hooks.doctor.finding import Level

_IN_MEMORY = frozenset({"tmpfs", "ramfs", "overlay", "squashfs", "rootfs"})
_SHARED = frozenset({"nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "panfs", "cifs", "fuse.glusterfs"})
_SHOWN = 4  # files that one finding names


def asked(facts: Facts) -> list[Finding]:
    """Which nodes could be asked, and which could not."""
    if not facts.nodes:
        return [Finding("nodes", "unknown", "Slurm names no node to this user", do="Ask as an administrator")]
    if not facts.unasked:
        return [Finding("nodes", "ok", f"Every node was asked: {fold(facts.answers)}")]
    return [
        Finding(
            "nodes",
            "unknown",
            f"Could not ask {fold(names)}: {why}",
            "What is wrong there does not show, and no line is proposed before the launcher was seen on every node",
        )
        for why, names in _by(facts.unasked.items()).items()
    ]


def missing_program(facts: Facts) -> list[Finding]:
    """A program that is not on a node fails the node's next job, and drains it."""
    return list(_of_status(facts, "missing-program", ("missing", "not-a-file")))


def not_executable(facts: Facts) -> list[Finding]:
    """One file that can't be executed, in a folder that a pattern names, drains the cluster."""
    return [*_of_status(facts, "not-executable", ("not-executable",)), *_not_executable_here(facts)]


def hidden_program(facts: Facts) -> list[Finding]:
    """Programs in folders that the SSH user may not look into."""
    return list(_of_status(facts, "hidden-program", ("hidden",)))


_WHY: dict[str, tuple[str, str]] = {
    "missing-program": (
        "slurmd finds nothing to run: the next job there fails, and the node drains with “Prolog error” or the like",
        "Put it on these nodes, or name the launcher, which comes with slurm.conf",
    ),
    "not-executable": (
        "slurmd takes a file that it can't execute for a failed hook: the next job there fails, and the node drains",
        "chmod +x, or move the file out of the folder",
    ),
    "hidden-program": (
        "Whether slurmd can run it could not be seen",
        "Let SSH log in as root, or set ssh.sudo",
    ),
}


def _of_status(facts: Facts, name: str, wanted: Iterable[Status]) -> Iterator[Finding]:
    """A finding for each hook's program with this status anywhere, the nodes together."""
    why, do = _WHY[name]
    for hook in ours.HOOKS:
        places = (facts.places(program) for program in facts.values(hook) if not _is_sent(facts, program))
        for place in dict.fromkeys(places):
            nodes, files = _bad(facts, place, frozenset(wanted))
            if nodes:
                level: Level = "unknown" if name == "hidden-program" else "problem"
                yield Finding(name, level, f"{hook}: {_named(files)} on {fold(nodes)}", why, do)


def _not_executable_here(facts: Facts) -> Iterator[Finding]:
    """Where no node shows itself, this machine often has the same folder."""
    if facts.here is None or facts.answers:
        return
    for hook in ours.HOOKS:
        seen = [
            file
            for program in facts.values(hook)
            for file in facts.here.programs.get(facts.places(program), ())
        ]
        bad = [file.path for file in seen if file.status == "not-executable"]
        if bad:
            why = "If nodes have the same files: slurmd takes it for a failed hook, and each drains at its next job"
            what = f"{hook}: {_named(bad)} is not executable on this machine"
            yield Finding("not-executable", "note", what, why, _WHY["not-executable"][1])


def _bad(facts: Facts, place: str, wanted: frozenset[Status]) -> tuple[list[str], list[str]]:
    nodes, files = [], []
    for node, seen in facts.seen(place).items():
        bad = [f"{file.path} is {SAYS[file.status]}" for file in seen if file.status in wanted]
        if bad:
            nodes.append(node)
            files += bad
    return nodes, list(dict.fromkeys(files))


def _is_sent(facts: Facts, program: str) -> bool:
    """Whether slurmctld sends it to configless nodes: it is not where slurm.conf would be then."""
    return facts.configless and not program.startswith("/")


def _named(files: list[str]) -> str:
    more = len(files) - _SHOWN
    return ", ".join(files[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def our_files(facts: Facts) -> list[Finding]:
    """Nodes that Slurm calls us on, and where our files are not: nothing is checked there, and nothing fails."""
    if not facts.answers or not any(facts.hooked(hook) for hook in ours.HOOKS):
        return []
    without = [node for node, one in facts.answers.items() if one.status(ours.PROGRAM["Prolog"]) != "ok"]
    if not without:
        return [Finding("our-files", "ok", "Our files are on every node that was asked")]
    return [
        Finding(
            "our-files",
            "note",
            f"Our files are not on {fold(without)}",
            "Jobs run there unchecked and unrecorded; the launcher ends well without our files",
            f"aami-hpc hooks push '{fold(without)}'",
        )
    ]


def node_python(facts: Facts) -> list[Finding]:
    """The hooks need a Python of the system; without one they let everything run."""
    without = [node for node, one in facts.answers.items() if not one.python]
    if not facts.answers:
        return []
    if not without:
        return [Finding("node-python", "ok", f"Python: {', '.join(_pythons(facts))}")]
    return [
        Finding(
            "node-python",
            "problem",
            f"No Python for the hooks on {fold(without)}",
            "The hooks end well there, with a line in the kernel's log, and check nothing",
            "Install python3 (3.6 or later), or name another with hooks.python",
        )
    ]


def _pythons(facts: Facts) -> list[str]:
    found = _by((node, one.python) for node, one in facts.answers.items())
    return [f"{python} on {fold(names)}" for python, names in found.items()]


def node_state(facts: Facts) -> list[Finding]:
    """Where the hooks keep their records, and whether a boot leaves them there."""
    kinds = _by((node, one.state_fs) for node, one in facts.answers.items() if one.state_fs)
    found = []
    for kind, names in kinds.items():
        if kind in _IN_MEMORY:
            found.append(
                Finding(
                    "node-state",
                    "note",
                    f"{ours.STATE} is on {kind} on {fold(names)}: in memory, most likely",
                    "A boot then takes the records of older boots along. Nothing on the node relies on them; the head "
                    "node has what it fetched before",
                )
            )
        elif kind in _SHARED:
            found.append(
                Finding(
                    "node-state",
                    "problem",
                    f"{ours.STATE} is on a network file system ({kind}) on {fold(names)}",
                    "A hook must never wait for a file server, and nodes must not share their records",
                    f"Mount a local disk or a tmpfs at {ours.STATE}",
                )
            )
    return found


def _by(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Keys by value."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        found[value].append(key)
    return dict(found)
