"""Sites for the doctor: one that is well, and how to make it sick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aami_hpc.hooks.doctor import ours
from aami_hpc.hooks.doctor.answer import Answer, Seen
from aami_hpc.hooks.doctor.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aami_hpc.hooks.doctor.answer import Status

CONF = "/etc/slurm/slurm.conf"
LAUNCHERS = {hook: f"/etc/slurm/{name}" for hook, name in ours.LAUNCHER.items()}
# A site as we would have it, on a release that takes several lines of a hook.
WELL = {
    "SLURM_CONF": CONF,
    "SLURM_VERSION": "24.11.5",
    "SlurmctldHost[0]": "head1",
    "HASH_VAL": "Match",
    "Prolog[0]": LAUNCHERS["Prolog"],
    "Epilog[0]": LAUNCHERS["Epilog"],
    "PrologFlags": "Alloc",
    "PrologEpilogTimeout": "60",
    "MessageTimeout": "10 sec",
    "BatchStartTimeout": "10 sec",
    "UnkillableStepTimeout": "60 sec",
    "HealthCheckProgram": ours.HEALTH,
    "HealthCheckInterval": "60 sec",
    "HealthCheckNodeState": "ANY",
    "PrEpPlugins": "prep/script",
    "PrivateData": "none",
    "ProctrackType": "proctrack/cgroup",
    "ReturnToService": "1",
    "SchedulerParameters": "(null)",
    "SlurmctldParameters": "(null)",
    "SlurmdUser": "root(0)",
}
NODES = ("gpu001", "gpu002")


def programs(where: Mapping[str, Status | Sequence[Seen]]) -> dict[str, tuple[Seen, ...]]:
    """What a node shows: a status for a path, or what a pattern stands for."""
    return {
        path: (Seen(path, found),) if isinstance(found, str) else tuple(found)
        for path, found in where.items()
    }


def beside(site: str = "", prolog: Status = "ok") -> dict[str, Seen]:
    """The launchers beside slurm.conf on the controller, all well but for what is said of one."""
    status: dict[str, Status] = {ours.LAUNCHER["Prolog"]: prolog, ours.LAUNCHER["Epilog"]: "ok"}
    return {name: Seen(name, found, site=site) for name, found in status.items()}


def answer(where: Mapping[str, Status | Sequence[Seen]] | None = None, **more: Any) -> Answer:
    """A node with all that we want there, but for what is said of it."""
    usual: dict[str, Status | Sequence[Seen]] = {
        **dict.fromkeys(LAUNCHERS.values(), "ok"),
        **dict.fromkeys(ours.PROGRAM.values(), "ok"),
        ours.HEALTH: "ok",
    }
    return Answer(
        programs({**usual, **(where or {})}),
        **{"python": "/usr/bin/python3 3.9.18", "state_fs": "ext4", **more},
    )


def site(config: Mapping[str, str | None] | None = None, **more: Any) -> Facts:
    """The site that is well, with these keys of its configuration changed (None: taken out)."""
    kept = {**WELL, **(config or {})}
    told = {key: value for key, value in kept.items() if value is not None}
    usual = {
        "client": "24.11.5",
        "versions": dict.fromkeys(NODES, "24.11.5"),
        "nodes": NODES,
        "answers": {name: answer() for name in NODES},
        "unasked": {},
    }
    return Facts(told, **{**usual, **more})


def bare(config: Mapping[str, str | None] | None = None, **more: Any) -> Facts:
    """A site without hooks, as a fresh Slurm is."""
    unset = {
        "Prolog[0]": None,
        "Epilog[0]": None,
        "PrologFlags": "(null)",
        "PrologEpilogTimeout": "65534",
        "HealthCheckProgram": "(null)",
        "HealthCheckInterval": "0 sec",
    }
    return site({**unset, **(config or {})}, **more)
