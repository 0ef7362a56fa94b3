"""What the cluster as a whole is set to, as far as it meets the hooks."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from aami_hpc.fleet.nodeset import fold
from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.answer import SAYS
from aami_hpc.hooks.doctor.finding import Finding
from aami_hpc.hooks.doctor.releases import NEWEST, OLDEST, RELATIVE, release, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aami_hpc.hooks.doctor.facts import Facts
    from aami_hpc.hooks.doctor.releases import Release

_PRIVATE = frozenset({"jobs", "accounts", "usage", "users"})
_PERSONAL = ("user", "account")


def configless(facts: Facts) -> list[Finding]:
    """Slurmctld sends its files to the nodes; of hooks the scripts themselves and nothing they need."""
    if not facts.configless:
        return []
    oldest = facts.oldest
    if oldest is None or oldest < RELATIVE:
        return [
            Finding(
                "configless",
                "note",
                "Nodes may be configless, and a part of this Slurm is older than 23.11",
                "Before 23.11 slurmctld sends no scripts: a program of Prolog= has to be on every node by itself",
                f"Put {' and '.join(ours.LAUNCHER.values())} into the nodes' image",
            )
        ]
    return [_pushed(facts)]


def _pushed(facts: Facts) -> Finding:
    missing = {name: seen.status for name, seen in (facts.beside or {}).items() if seen.status != "ok"}
    named = [program for hook in ours.HOOKS for program in facts.values(hook) if not program.startswith("/")]
    lost = [name for name in named if name in missing]
    if lost:
        told = ", ".join(f"{name} is {SAYS[missing[name]]}" for name in lost)
        return Finding(
            "configless",
            "problem",
            f"Configless nodes get their hooks from {facts.folder}: {told}",
            "At the next reconfigure slurmctld sends nothing and says nothing; every node then drains at its first job",
            f"Put it back into {facts.folder}, executable",
        )
    return Finding(
        "configless",
        "note",
        f"Nodes may be configless: slurmctld sends them what stands beside its slurm.conf in {facts.folder or '?'}",
        "It sends a script that Prolog= names without a folder, and that script alone. One that is missing beside "
        "slurm.conf drains every node",
        "The launchers are made for that: they need nothing, and end well where our files are not",
    )


def held_jobs(facts: Facts) -> list[Finding]:
    """A batch job that a prolog refused waits for somebody to release it, unless the site says otherwise."""
    if facts.parameter("SchedulerParameters", "nohold_on_prolog_fail") is None:
        return [
            Finding(
                "held-jobs",
                "note",
                "A batch job whose prolog fails is queued again and held",
                "When a prolog keeps a job off a bad GPU, the job waits until somebody releases it: scontrol release JOB",
                "Once a policy enforces checks: add nohold_on_prolog_fail to SchedulerParameters, so that the job "
                "goes to another node by itself. Not before: without rails a job would walk over all nodes",
            )
        ]
    return [
        Finding(
            "held-jobs",
            "note",
            "SchedulerParameters has nohold_on_prolog_fail: a job whose prolog fails is queued again at once",
            "Our rails bound how many nodes a fault of ours can take out. A failing prolog of the site's own has no "
            "rails: the job goes from node to node, and drains each (up to max_batch_requeue times since 23.02)",
        )
    ]


def return_to_service(facts: Facts) -> list[Finding]:
    """With 2, a node that was DOWN comes back by registering, without a test."""
    if facts.value("ReturnToService") != "2":
        return []
    return [
        Finding(
            "return-to-service",
            "note",
            "ReturnToService is 2: a node that was DOWN serves again as soon as it registers",
            "A crash that a bad GPU caused is followed by the next job on it. A drain, ours too, outlives a reboot",
            "ReturnToService=1 lets only nodes return by themselves that Slurm had lost",
        )
    ]


def private_data(facts: Facts) -> list[Finding]:
    """Metrics are read by everybody who reaches Prometheus: what Slurm hides, they don't show unless told to."""
    if not facts.flags("PrivateData") & _PRIVATE:
        return []
    shown = f"PrivateData is {facts.value('PrivateData')}"
    labels = " and ".join(label for label in _PERSONAL if label in (facts.job_labels or ()))
    if labels:
        return [
            Finding(
                "private-data",
                "note",
                f"{shown}, and hooks.job_labels puts {labels} into the metrics",
                "Whoever reads Prometheus sees whose jobs run, which this site hides elsewhere",
                "Take hooks.job_labels out of the configuration, if that is not meant",
            )
        ]
    return [
        Finding(
            "private-data",
            "note",
            f"{shown}: metrics name no user and no account",
            "Whoever reads Prometheus would see whose jobs run, which this site hides",
        )
    ]


def proctrack(facts: Facts) -> list[Finding]:
    """Which process belongs to which job is certain with cgroups alone."""
    kind = facts.value("ProctrackType")
    if not kind or kind == "proctrack/cgroup":
        return []
    return [
        Finding(
            "proctrack",
            "note",
            f"ProctrackType is {kind}",
            "A process can leave its job then. Xids are still told to belong to the job that had the GPU, but not "
            "that one of its processes caused them",
            "ProctrackType=proctrack/cgroup, with TaskPlugin=task/cgroup and ConstrainDevices=yes",
        )
    ]


def versions(facts: Facts) -> list[Finding]:
    """Parts of different releases read slurm.conf differently: what one takes, another refuses."""
    known = facts.releases
    if not known:
        return [Finding("versions", "unknown", "The release of Slurm could not be told")]
    shown = _shown(facts)
    strange = [one for one in known if one < OLDEST or one > NEWEST]
    if strange:
        return [
            Finding(
                "versions",
                "note",
                shown,
                f"The hooks are tested with {words(OLDEST)} to {words(NEWEST)}; {', '.join(map(words, sorted(strange)))} "
                "is taken for its nearest neighbour",
            )
        ]
    if len(known) > 1:
        return [
            Finding(
                "versions",
                "note",
                shown,
                "A key that only the newer ones know stops the older ones from starting: none is proposed",
            )
        ]
    return [Finding("versions", "ok", shown)]


def _shown(facts: Facts) -> str:
    """`slurmctld 24.11.5, commands here 24.11.5, slurmd 24.11.5 on gpu[001-004]`."""
    parts = [f"slurmctld {facts.value('SLURM_VERSION') or 'unknown'}"]
    parts += [f"commands here {facts.client}"] if facts.client else []
    parts += [f"slurmd {version} on {fold(names)}" for version, names in _by_version(facts.versions).items()]
    return ", ".join(parts)


def _by_version(versions: Mapping[str, str]) -> dict[str, list[str]]:
    """Nodes by what their slurmd says, the oldest first."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for node, version in versions.items():
        found[version].append(node)
    return dict(sorted(found.items(), key=lambda item: (release(item[0]) or _UNKNOWN, item[0])))


_UNKNOWN: Release = (0, 0)
