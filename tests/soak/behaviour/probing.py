"""What differs between releases by design: keys of slurm.conf that one has and another refuses, and what they do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.lab.waiting import until
from tests.soak.behaviour.bench import NODE, Bench
from tests.soak.behaviour.experiment import Known, experiment
from tests.soak.behaviour.people import call

if TYPE_CHECKING:
    from collections.abc import Mapping


def _accepts(bench: Bench, line: str) -> bool:
    """Can this release read a slurm.conf with that line? Its clients refuse what they don't know, as its daemons do."""
    conf = bench.cluster.layout.etc / "tried.conf"
    conf.write_text(f"{bench.cluster.conf.read_text()}{line}\n")
    return call(bench.cluster, "sinfo", user="root", conf=conf).returncode == 0


@experiment(
    "P1",
    "PrologTimeout and EpilogTimeout",
    used_for="the doctor proposes them where the release has them, PrologEpilogTimeout elsewhere",
    relied={"the key": "taken", "PrologTimeout=2": "IDLE+DRAIN Prolog error after 2 s"},
    known=dict.fromkeys(
        ("22.05", "24.11"),
        Known(
            {"the key": "refused", "PrologTimeout=2": ""},
            "came with 25.05: a slurm.conf that has it can't be read",
        ),
    ),
)
def prolog_timeout(bench: Bench) -> Mapping[str, Any]:
    if not _accepts(bench, "PrologTimeout=2") or not _accepts(bench, "EpilogTimeout=2"):
        return {"the key": "refused", "PrologTimeout=2": ""}
    limits = {"PrologEpilogTimeout": "", "PrologTimeout": "2", "EpilogTimeout": "3"}
    with bench.fresh(nodes=1, extra=limits) as fresh:
        fresh.set("prolog", "note begin; exec sleep 20")
        fresh.submit("true")
        begin = fresh.wait_noted("begin")[0].at
        node = fresh.wait_node(lambda it: it.state == "IDLE+DRAIN", "drained")
        return {"the key": "taken", "PrologTimeout=2": f"{node.state} {node.reason} after {_whole(begin)} s"}


@experiment(
    "P2",
    "HealthCheckTimeout",
    used_for="health ends by itself within 45 s, below every release's limit",
    relied={"the key": "taken", "HealthCheckTimeout=2": "ended after 2 s"},
    known=dict.fromkeys(
        ("22.05", "24.11"),
        Known({"the key": "refused", "HealthCheckTimeout=2": ""}, "came with 26.05; 60 s are fixed"),
    ),
)
def health_timeout(bench: Bench) -> Mapping[str, Any]:
    if not _accepts(bench, "HealthCheckTimeout=2"):
        return {"the key": "refused", "HealthCheckTimeout=2": ""}
    limits = {"HealthCheckTimeout": "2", "HealthCheckInterval": "30", "HealthCheckNodeState": "ANY"}
    with bench.fresh(nodes=1, extra=limits) as fresh:
        return {"the key": "taken", "HealthCheckTimeout=2": f"ended after {_health_life(fresh)} s"}


@experiment(
    "P3",
    "a health program that doesn't end, without HealthCheckTimeout",
    used_for="health ends by itself within 45 s",
    relied={"ended after": "60 s"},
    slow=True,
)
def health_limit(bench: Bench) -> Mapping[str, Any]:
    with bench.fresh(nodes=1, extra={"HealthCheckInterval": "300", "HealthCheckNodeState": "ANY"}) as fresh:
        return {"ended after": f"{_health_life(fresh)} s"}


def _health_life(bench: Bench) -> int:
    """Whole seconds that slurmd lets a health program live; it is called when slurmd starts."""
    bench.set("health", "while :; do note alive; sleep 0.2; done")
    bench.cluster.stop_nodes()
    bench.cluster._daemon(NODE, "slurmd", "-N", NODE)
    bench.wait_noted("alive")
    latest = 0.0

    def silent() -> bool:
        nonlocal latest
        latest = bench.noted()[-1].at
        return time.time() - latest > 2

    until(silent, "the health program to be ended", timeout=100, evidence=bench.evidence)
    return round(latest - bench.noted()[0].at)


@experiment(
    "P4",
    "a health program that ends with 1; one that is slow when slurmd starts",
    used_for="health drains by itself, its exit status says nothing; at boot it must be quick and need no slurmctld",
    relied={"ends with 1": "IDLE", "slurmd, meanwhile": "waits for it before it registers"},
)
def health_status(bench: Bench) -> Mapping[str, Any]:
    with bench.fresh(nodes=1, extra={"HealthCheckInterval": "300", "HealthCheckNodeState": "ANY"}) as fresh:
        fresh.cluster.stop_nodes(NODE)
        fresh.cluster.scontrol("update", f"nodename={NODE}", "state=down", "reason=x")
        fresh.set("health", "note begin; sleep 2; note end; exit 1")
        fresh.cluster._daemon(NODE, "slurmd", "-N", NODE)
        fresh.wait_noted("begin")
        node = fresh.wait_node(lambda it: "DOWN" not in it.flags, "back")
        return {
            "ends with 1": node.state,
            "slurmd, meanwhile": "waits for it before it registers" if fresh.noted("end") else "registers",
        }


def _whole(begin: float) -> int:
    """Seconds since then, rounded down: what Slurm does takes a little, too."""
    return int(time.time() - begin)
