"""Reboots and reservations: what a node comes back as, and what gives it back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.soak.behaviour.bench import NODE, Bench, Node
from tests.soak.behaviour.experiment import Known, experiment

if TYPE_CHECKING:
    from collections.abc import Mapping

_DARK = 2.0  # seconds; a boot in the second of the last answer counts as none


def _prepare(bench: Bench) -> None:
    """A reboot here is a slurmd that says its node has booted again; the program itself only takes note."""
    program = bench.cluster.hook("reboot", f"{bench.prelude}note reboot\n")
    bench.cluster.reconfigure(RebootProgram=str(program), ReturnToService="0")


def _boot(bench: Bench, name: str = NODE) -> Node:
    """The node comes back from a reboot; its state once Slurm has taken note of that."""
    bench.cluster.stop_nodes(name)
    time.sleep(_DARK)
    before = bench.node(name).booted
    bench.cluster._daemon(name, "slurmd", "-b", "-N", name)
    pending = {"REBOOT_ISSUED", "REBOOT_REQUESTED", "NOT_RESPONDING", "UNKNOWN"}
    return bench.wait_node(lambda node: node.booted != before and not pending & node.flags, "back", name)


def _rebooted(bench: Bench, *words: str) -> Node:
    """Our drain, then a reboot that Slurm was asked for."""
    _prepare(bench)
    bench.drain("ours")
    bench.cluster.scontrol("reboot", *words, NODE)
    bench.wait_noted("reboot")
    return _boot(bench)


def _after(bench: Bench, word: str) -> str:
    status = bench.update(word)
    state = "+".join(sorted(bench.node().flags - {"NOT_RESPONDING"}, reverse=True))
    return f"{state}, exit status {status}"


@experiment(
    "F2",
    "our drain, then `scontrol reboot ASAP nextstate=DOWN`",
    used_for="a node that was rebooted for us stays out until it is tested; only RESUME gives it back",
    relied={
        "back as": "DOWN ours : reboot issued : reboot complete",
        "UNDRAIN": "DOWN, exit status 0",
        "RESUME": "IDLE, exit status 0",
    },
)
def reboot_to_down(bench: Bench) -> Mapping[str, Any]:
    node = _rebooted(bench, "ASAP", "nextstate=DOWN")
    return {
        "back as": f"{node.state} {node.reason}",
        "UNDRAIN": _after(bench, "undrain"),
        "RESUME": _after(bench, "resume"),
    }


@experiment(
    "F3",
    "our drain, then `scontrol reboot ASAP` without nextstate",
    used_for="never ask for it like this: the node comes back into service untested",
    relied={"back as": "IDLE"},
    known=dict.fromkeys(
        ("24.11", "26.05"), Known({"back as": "IDLE+DRAIN ours : reboot issued"}, "safer: our drain is kept")
    ),
)
def reboot_asap(bench: Bench) -> Mapping[str, Any]:
    node = _rebooted(bench, "ASAP")
    return {"back as": f"{node.state} {node.reason}".strip()}


@experiment(
    "F4",
    "our drain, then plain `scontrol reboot`",
    used_for="a drain of ours survives a reboot, reason and all, and UNDRAIN still gives it back",
    relied={"back as": "IDLE+DRAIN ours : reboot issued", "UNDRAIN": "IDLE, exit status 0"},
)
def reboot_drained(bench: Bench) -> Mapping[str, Any]:
    node = _rebooted(bench)
    return {"back as": f"{node.state} {node.reason}", "UNDRAIN": _after(bench, "undrain")}


@experiment(
    "F5",
    "a job in a reservation of its own on a drained node",
    used_for="a test job doesn't run on a drained node; reserve first, then undrain",
    relied={"while drained": "PENDING ReqNodeNotAvail", "undrained": "COMPLETED"},
)
def reserved(bench: Bench) -> Mapping[str, Any]:
    bench.drain("ours")
    words = (
        "reservationname=ours",
        "starttime=now",
        "duration=5",
        "users=root",
        f"nodes={NODE}",
        "flags=ignore_jobs",
    )
    bench.cluster.scontrol("create", "reservation", *words)
    try:
        job = bench.submit("true", "--reservation=ours")
        waiting = bench.wait_job(job, "PENDING", but_not=("None", "Priority"))
        bench.update("undrain")
        bench.cluster.scontrol("update", f"jobid={job}", "starttime=now")
        return {
            "while drained": f"{waiting['JobState']} {waiting['Reason'].partition(',')[0]}",
            "undrained": bench.cluster.wait_job(job),
        }
    finally:
        bench.cluster.ask("scancel", "--state=PENDING", "--user=root")
        bench.cluster.scontrol("delete", "reservationname=ours")


@experiment(
    "F6",
    "a node that reboots by itself, with ReturnToService=0; and one whose drain of ours was lifted before",
    used_for="a node that went down by itself isn't ours: UNDRAIN does nothing to it",
    relied={
        "back as": "DOWN Node unexpectedly rebooted",
        "UNDRAIN": "DOWN, exit status 0",
        "RESUME": "IDLE, exit status 0",
        "back as, once drained by us": "DOWN Node unexpectedly rebooted",
    },
    known={
        "24.11": Known(
            {"back as, once drained by us": "DOWN ours"},
            "Slurm's DOWN keeps the reason of a drain that was lifted: what is DOWN isn't ours whatever its reason",
        )
    },
)
def unexpected_reboot(bench: Bench) -> Mapping[str, Any]:
    with bench.fresh(nodes=2, extra={"ReturnToService": "0"}) as fresh:
        node = _boot(fresh)
        seen = {
            "back as": f"{node.state} {node.reason}",
            "UNDRAIN": _after(fresh, "undrain"),
            "RESUME": _after(fresh, "resume"),
        }
        other = fresh.cluster.nodes[1]
        fresh.drain("ours", other)
        fresh.update("undrain", other)
        fresh.wait_node(lambda it: "NOT_RESPONDING" not in it.flags, "answering", other)
        time.sleep(_DARK)  # and known to answer for longer than a second
        node = _boot(fresh, other)
        return {**seen, "back as, once drained by us": f"{node.state} {node.reason}"}
