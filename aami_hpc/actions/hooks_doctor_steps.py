"""What to do after `hooks doctor`, in order: each step as a command or a change, and what it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from aami_hpc.hooks.doctor import ours
from aami_hpc.resources import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aami_hpc.hooks.doctor.chain import Chain
    from aami_hpc.hooks.doctor.facts import Facts
    from aami_hpc.hooks.doctor.proposal import Proposal
    from aami_hpc.hooks.doctor.report import Report

Steps: TypeAlias = tuple[tuple[str, str], ...]


def steps(report: Report) -> Steps:
    """The steps of this site. None when nothing is to be changed."""
    if report.proposal is None:
        return ()
    return tuple(_steps(report, report.facts, report.proposal))


def _steps(report: Report, facts: Facts, proposal: Proposal) -> Iterator[tuple[str, str]]:
    for one in proposal.chains:
        if one.hook in proposal.keys or one.copy_to:
            yield from _launcher(facts, one)
    if proposal.timer:
        yield (
            "aami-hpc config set hooks.health timer",
            "HealthCheckProgram stays as it is, ours runs beside it",
        )
    if proposal.timer or (proposal.changes and not _everywhere(facts, ours.PROGRAM["Prolog"], ours.HEALTH)):
        yield "aami-hpc hooks push", "our files on the nodes"
    if not proposal.changes:
        return
    if report.lines:
        yield (
            f"write the lines into {facts.value('SLURM_CONF') or 'slurm.conf'}",
            "and into every other copy of it",
        )
        yield "scontrol reconfigure", "Slurm reads them"
    else:
        yield "aami-hpc hooks doctor", "shows the lines once the launcher was seen on every node"


def _launcher(facts: Facts, one: Chain) -> Iterator[tuple[str, str]]:
    """Copy, then move: a file that is half there must never be run."""
    source = share() / "slurm" / "conf" / ours.LAUNCHER[one.hook]
    if one.copy_to:
        folder = one.copy_to.rpartition("/")[0]
        yield (
            f"install -m 755 {source} {folder}.new && mv {folder}.new {one.copy_to}",
            "on every node: from then on Slurm runs it with the other files of that folder",
        )
        return
    target = one.launcher if one.launcher.startswith("/") else f"{facts.folder}/{one.launcher}"
    where = (
        "on the controllers: slurmctld sends it"
        if target != one.launcher
        else "on every node, as slurm.conf gets there"
    )
    if not _everywhere(facts, target):
        yield f"install -m 755 {source} {target}", where
    if one.site and not _runs(facts, target, one.site):
        yield f"in {target}: site={one.site}", f"the launcher runs your own {one.hook.lower()} first"


def _everywhere(facts: Facts, *programs: str) -> bool:
    """Whether every node was asked and has these."""
    return (
        bool(facts.answers)
        and not facts.unasked
        and all(one.status(program) == "ok" for one in facts.answers.values() for program in programs)
    )


def _runs(facts: Facts, launcher: str, site: str) -> bool:
    """Whether every launcher that was seen runs the site's own program."""
    seen = [one.seen(launcher) for one in facts.answers.values()]
    return bool(seen) and all(one.site == site for one in seen)
