"""What Prolog= and Epilog= name: as Slurm reads it, without a look at any node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.facts import is_pattern
from aami_hpc.hooks.doctor.finding import Finding
from aami_hpc.hooks.doctor.releases import RELATIVE, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aami_hpc.hooks.doctor.facts import Facts


def called(facts: Facts) -> list[Finding]:
    """Whether Slurm calls our prolog and epilog at all."""
    found = {hook: facts.hooked(hook) for hook in ours.HOOKS}
    if all(found.values()):
        return [Finding("launcher", "ok", "Slurm calls our prolog and epilog")]
    missing = " and ".join(hook.lower() for hook, there in found.items() if not there)
    if any(found.values()):
        return [
            Finding(
                "launcher",
                "problem",
                f"Slurm calls only one of our hooks: our {missing} is not called",
                "The epilog closes what the prolog opened: with one of them jobs never end, or never begin",
                "See the proposal below",
            )
        ]
    return [
        Finding(
            "launcher",
            "note",
            f"Slurm does not call our {missing} yet",
            "Without them nothing knows which job had which GPU",
            "See the proposal below",
        )
    ]


def bare_hook(facts: Facts) -> list[Finding]:
    """Slurm calls our program itself, not the launcher beside slurm.conf."""
    bare = [hook for hook in ours.HOOKS if ours.PROGRAM[hook] in facts.values(hook)]
    return [
        Finding(
            "bare-hook",
            "problem",
            f"{hook}={ours.PROGRAM[hook]}: Slurm calls our {hook.lower()} without the launcher",
            "A node that boots without our files does not find it: its first job fails, and drains it",
            f"Put {ours.LAUNCHER[hook]} beside slurm.conf and name that: it ends well where our files are missing",
        )
        for hook in bare
    ]


def arguments(facts: Facts) -> list[Finding]:
    """A space in a program. Bare, Slurm's parser refuses it and every daemon dies; quoted, it is part of the path."""
    return [
        Finding(
            "arguments",
            "problem",
            f"{key}={program} has a space",
            "Slurm gives hooks no arguments. In quotes it takes all of it for the path, and does not find it: the "
            "node drains. Without quotes slurmctld, slurmd and every command refuse the whole file",
            f"{key}= a script of one path that holds the rest",
        )
        for key, program in _all(facts, "HealthCheckProgram")
        if " " in program
    ]


def relative_path(facts: Facts) -> list[Finding]:
    """A program without a folder stands beside slurm.conf, since 23.11."""
    relative = [(key, program) for key, program in _all(facts) if not program.startswith("/")]
    if not relative:
        return []
    shown = ", ".join(f"{key}={program}" for key, program in relative)
    oldest = facts.oldest
    if oldest is not None and oldest >= RELATIVE:
        where = (
            "slurmctld sends it to configless nodes" if facts.configless else "it stands beside slurm.conf"
        )
        return [Finding("relative-path", "ok", f"{shown}: {where}")]
    release = words(oldest) if oldest else "of unknown release"
    return [
        Finding(
            "relative-path",
            "problem",
            f"{shown} is no absolute path, and a part of this Slurm is {release}",
            f"Before {words(RELATIVE)} slurmd does not look beside slurm.conf: it finds no program, and the first job "
            "drains the node",
            "Write the whole path",
        )
    ]


def script_order(facts: Facts) -> list[Finding]:
    """Several programs: the first that fails ends it, and a pattern runs backwards."""
    found = []
    for hook in ours.HOOKS:
        programs = facts.values(hook)
        if len(programs) > 1 or any(map(is_pattern, programs)):
            found.append(
                Finding(
                    "script-order",
                    "note",
                    f"{hook} is {', '.join(programs)}: several programs",
                    "Lines run in the order of the file, what a pattern finds in reverse order of the alphabet "
                    "(90 before 10). The first that fails ends it, and the node drains. Every file that fits the "
                    "pattern has to be executable, a copy left by an editor, too",
                    "Put new files in place with mv from outside of the folder",
                )
            )
    return found


def prep_plugin(facts: Facts) -> list[Finding]:
    """Prolog= and Epilog= are the work of a plugin, which a site may have replaced."""
    plugins = facts.flags("PrEpPlugins")
    if not plugins or "prep/script" in plugins:
        return []
    return [
        Finding(
            "prep-plugin",
            "problem",
            f"PrEpPlugins is {facts.value('PrEpPlugins')}",
            "Without prep/script Slurm runs neither Prolog nor Epilog",
            f"PrEpPlugins={facts.value('PrEpPlugins')},prep/script",
        )
    ]


def slurmd_user(facts: Facts) -> list[Finding]:
    """The hooks read the kernel's log and may have to drain: both need root."""
    user = facts.value("SlurmdUser")
    if not user or user.startswith("root(") or user == "root":
        return []
    return [
        Finding(
            "slurmd-user",
            "problem",
            f"SlurmdUser is {user}: prolog and epilog don't run as root",
            "They can't read the kernel's log or keep their records where only root writes",
            "SlurmdUser=root, as Slurm has it by default",
        )
    ]


def _all(facts: Facts, *more: str) -> Iterator[tuple[str, str]]:
    for key in (*ours.HOOKS, *more):
        for program in facts.values(key):
            yield key, program
