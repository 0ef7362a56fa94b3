"""PrologFlags: when hooks run, in which order, and in whose cgroup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.hooks.doctor.finding import Finding

if TYPE_CHECKING:
    from aami_hpc.hooks.doctor.facts import Facts

# Each of these makes slurmd run the prolog at allocation; Slurm then shows Alloc, too.
_ALLOCATING = frozenset({"alloc", "contain", "deferbatch", "forcerequeueonfail", "nohold", "runinjob", "x11"})


def allocates(facts: Facts) -> bool:
    """Whether every node of a job runs the prolog, with or without a step there."""
    return bool(facts.flags("PrologFlags") & _ALLOCATING)


def prolog_flags(facts: Facts) -> list[Finding]:
    """Without Alloc the prolog waits for the first step, and a node without a step never runs it."""
    shown = facts.value("PrologFlags") or "not set"
    if allocates(facts):
        return [
            Finding("prolog-flags", "ok", f"PrologFlags is {shown}: the prolog runs on every node of a job")
        ]
    merged = ",".join(["Alloc", *filter(None, [facts.value("PrologFlags")])])
    return [
        Finding(
            "prolog-flags",
            "problem",
            f"PrologFlags is {shown}: the prolog runs before the first step, so not on every node of a job",
            "A node without a prolog has no entry for the job: Xids there can't be told to belong to it",
            f"PrologFlags={merged}",
        )
    ]


def run_in_job(facts: Facts) -> list[Finding]:
    """RunInJob (24.05 and later) puts hooks into the job's own cgroup."""
    if "runinjob" not in facts.flags("PrologFlags"):
        return []
    return [
        Finding(
            "run-in-job",
            "problem",
            "PrologFlags has RunInJob: prolog and epilog run inside the job's cgroup",
            "They share its memory limit and are killed with it: a job that fills its memory can take its epilog "
            "along, and that drains the node",
            "Take RunInJob out of PrologFlags, unless a program of this site needs it",
        )
    ]


def serial(facts: Facts) -> list[Finding]:
    """Serial: one hook at a time on a node."""
    if "serial" not in facts.flags("PrologFlags"):
        return []
    return [
        Finding(
            "serial",
            "note",
            "PrologFlags has Serial: the hooks of a node wait for each other",
            "Ours run side by side safely. With Serial, short jobs that share a node start later",
            "Take Serial out of PrologFlags, unless a program of this site needs it",
        )
    ]


def force_requeue(facts: Facts) -> list[Finding]:
    """ForceRequeueOnFail (23.02 and later) overrides a job's own wish not to run twice."""
    if "forcerequeueonfail" not in facts.flags("PrologFlags"):
        return []
    return [
        Finding(
            "force-requeue",
            "note",
            "PrologFlags has ForceRequeueOnFail: a job that a prolog refuses is queued again even with --no-requeue",
            "That is what a user wants when the node is bad, and a surprise to one who asked for the contrary",
        )
    ]
