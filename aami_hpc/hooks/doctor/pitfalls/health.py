"""HealthCheckProgram: whose it is, how often and on which nodes it runs, and how long it may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.finding import Finding
from aami_hpc.hooks.doctor.releases import REPORT, words

if TYPE_CHECKING:
    from aami_hpc.hooks.doctor.facts import Facts

_LONG = 300
TIMEOUT_NEEDED = ours.HEALTH_S
_ONLY_AT_START = frozenset({"start_only", "reboot_only"})
_SOME = frozenset({"idle", "alloc", "mixed", "nondrained_idle"})


def is_ours(facts: Facts) -> bool:
    """Whether Slurm calls our health check."""
    return facts.value("HealthCheckProgram") == ours.HEALTH


def is_nhc(program: str) -> bool:
    """LBNL Node Health Check, or the wrapper that comes with it."""
    return program.rpartition("/")[2].startswith("nhc")


def health_program(facts: Facts) -> list[Finding]:
    """There is one HealthCheckProgram. Where it is somebody else's, ours runs from a timer."""
    program = facts.value("HealthCheckProgram")
    if is_ours(facts):
        return [_twice() if facts.timer else Finding("health-program", "ok", "HealthCheckProgram is ours")]
    if not program:
        return [Finding("health-program", "ok", _TIMER) if facts.timer else _nobody()]
    whose = "NHC" if is_nhc(program) else "another program"
    what = f"HealthCheckProgram is {whose}: {program}"
    if facts.timer:
        return [Finding("health-program", "ok", f"{what}. {_TIMER}")]
    return [
        Finding(
            "health-program",
            "note",
            what,
            "Slurm takes one program. Yours stays: ours runs beside it, and keeps off what it drained",
            "Let ours run from a timer: set hooks.health to timer",
        )
    ]


_TIMER = "Our health check runs from a timer (hooks.health)"


def _twice() -> Finding:
    return Finding(
        "health-program",
        "note",
        "HealthCheckProgram is ours, and hooks.health is timer: health runs twice",
        "A run that meets another ends at once, so nothing is counted twice",
        "Set hooks.health to slurm, or take HealthCheckProgram out",
    )


def _nobody() -> Finding:
    return Finding(
        "health-program",
        "note",
        "HealthCheckProgram is not set",
        "Between jobs nobody looks at the nodes, and the prolog has to look for itself",
        "See the proposal below",
    )


def health_interval(facts: Facts) -> list[Finding]:
    """How often health looks: never, into itself, or too seldom for the prolog to rest on it."""
    seconds = facts.seconds("HealthCheckInterval")
    program = facts.value("HealthCheckProgram")
    if not program or seconds is None:
        return []
    name = "health-interval"
    if seconds == 0:
        why = "Slurm never runs it while slurmd is up"
        return [
            Finding(
                name, "problem", f"HealthCheckInterval is 0: {program} is set", why, "HealthCheckInterval=60"
            )
        ]
    if not is_ours(facts):
        return []
    if seconds < ours.HEALTH_S:
        return [
            Finding(
                name,
                "note",
                f"HealthCheckInterval is {seconds} s, a run may take {ours.HEALTH_S} s on a bad day",
                "Slurm starts a program again while it still runs. Ours then ends at once; it looks no more often for it",
                f"HealthCheckInterval={ours.FRESH_S}",
            )
        ]
    if seconds > _LONG:
        return [
            Finding(
                name,
                "note",
                f"HealthCheckInterval is {seconds} s",
                f"The prolog believes what health saw for {ours.FRESH_S} s; after that it asks the driver itself, which "
                "costs jobs a moment. A hung driver is noticed after two looks",
                f"HealthCheckInterval={ours.FRESH_S}",
            )
        ]
    return [Finding(name, "ok", f"Health looks every {seconds} s")]


def left_out(facts: Facts) -> str:
    """Which nodes HealthCheckNodeState leaves out, in words; nothing when none."""
    states = facts.flags("HealthCheckNodeState") - {"cycle"}
    if not states or "any" in states:
        return ""
    if states & _ONLY_AT_START:
        return "every node between two starts of its slurmd"
    if states >= {"idle", "alloc", "mixed"}:
        return ""
    if "nondrained_idle" in states:
        return "drained nodes, and nodes with jobs"
    absent = {
        "idle": "idle nodes",
        "alloc": "nodes with all CPUs in use",
        "mixed": "nodes with some CPUs in use",
    }
    return ", ".join(words for state, words in absent.items() if state not in states)


def health_node_state(facts: Facts) -> list[Finding]:
    """Nodes that health never looks at are nodes whose faults, or recovery, nobody notices."""
    if not facts.value("HealthCheckProgram"):
        return []
    gap, shown = left_out(facts), facts.value("HealthCheckNodeState") or "ANY"
    if not gap:
        return [
            Finding("health-node-state", "ok", f"HealthCheckNodeState is {shown}: every node is looked at")
        ]
    cycle = ",CYCLE" if "cycle" in facts.flags("HealthCheckNodeState") else ""
    return [
        Finding(
            "health-node-state",
            "note",
            f"HealthCheckNodeState is {shown}: it leaves out {gap}",
            "A fault there is seen by the next prolog or epilog at the earliest, and a drained node's recovery not at all",
            f"HealthCheckNodeState=ANY{cycle}",
        )
    ]


def health_timeout(facts: Facts) -> list[Finding]:
    """Slurm kills the program after 60 s; since 26.05 that is a setting, which has to be less than the interval."""
    limit, interval = facts.seconds("HealthCheckTimeout"), facts.seconds("HealthCheckInterval")
    if not limit or not is_ours(facts):
        return []
    if limit < TIMEOUT_NEEDED:
        return [
            Finding(
                "health-timeout",
                "problem",
                f"HealthCheckTimeout is {limit} s: our health check may take {ours.HEALTH_S} s",
                "Slurm kills it in the middle of a look that takes its time, so slow nodes are never judged",
                f"HealthCheckTimeout={TIMEOUT_NEEDED + 5}",
            )
        ]
    if interval and limit >= interval:
        return [
            Finding(
                "health-timeout",
                "note",
                f"HealthCheckTimeout is {limit} s, not less than HealthCheckInterval ({interval} s)",
                "Slurm logs an error about it",
                f"HealthCheckTimeout={TIMEOUT_NEEDED + 5}",
            )
        ]
    return [Finding("health-timeout", "ok", f"HealthCheckTimeout is {limit} s")]


def health_report(facts: Facts) -> list[Finding]:
    """Since 26.05 slurmctld can tell the health check whether the node is in service, so that nobody has to ask it."""
    controller = facts.controller
    if controller is None or controller < REPORT or not is_ours(facts):
        return []
    if controller > REPORT or facts.parameter("SlurmctldParameters", "health_check_report") is not None:
        return [Finding("health-report", "ok", "Slurm tells health checks whether their node is in service")]
    return [
        Finding(
            "health-report",
            "note",
            f"Slurm {words(controller)} can tell health checks whether their node is in service, and does not",
            "Without it a health check that wants to know has to ask slurmctld",
            "Add health_check_report to SlurmctldParameters",
        )
    ]
