"""Drains and their reasons: who may write them, what overwrites them, what lifts them."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.lab.accounting import ACCOUNT
from tests.lab.slurm import SlurmCluster
from tests.lab.waiting import until
from tests.soak.behaviour.bench import NODE, Bench, Node
from tests.soak.behaviour.experiment import Known, experiment
from tests.soak.behaviour.people import PERSON, call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DATABASE = threading.Lock()  # a MariaDB that starts removes what another one has just put into /tmp
_WORDS = ("RESUME", "UNDRAIN")
_STAYS = "the reason stays on the healthy node: it counts as ours only together with DRAIN"
_AWKWARD = 'it\'s "quoted" \\ back\nsecond line \x1b[31m ünï ' + "x" * 3000


@experiment(
    "E5",
    "RESUME and UNDRAIN on a drained and on a draining node",
    used_for="giving back our own drain: UNDRAIN is enough, and the reason goes with it",
    relied={
        f"{word} on a {kind} node": f"{state}, no reason"
        for word in _WORDS
        for kind, state in (("drained", "IDLE"), ("draining", "MIXED"))
    },
    known={
        "24.11": Known(
            {
                f"{word} on a {kind} node": f"{state}, ours"
                for word in _WORDS
                for kind, state in (("drained", "IDLE"), ("draining", "MIXED"))
            },
            _STAYS,
        )
    },
)
def lift(bench: Bench) -> Mapping[str, Any]:
    drained, draining = bench.cluster.nodes[:2]
    bench.submit("note job; sleep 300", node=draining)
    bench.wait_noted("job")
    seen = {}
    for word in _WORDS:
        for kind, name in (("drained", drained), ("draining", draining)):
            bench.drain("ours", name)
            bench.update(word, name)
            node = bench.wait_node(lambda it: "NOT_RESPONDING" not in it.flags, "answering", name)
            seen[f"{word} on a {kind} node"] = f"{node.state}, {node.reason or 'no reason'}"
    return seen


@experiment(
    "E5b",
    "a drain is lifted by UNDRAIN; then Slurm itself drains the node, because a prolog ends with 1",
    used_for="a drain with our reason is our drain: Slurm's own never inherits the reason of an earlier one",
    relied={
        "after UNDRAIN": "IDLE, no reason",
        "Slurm's own drain": "IDLE+DRAIN Prolog error",
        "after UNDRAIN with an empty reason": "IDLE, no reason",
    },
    known={
        "24.11": Known(
            {"after UNDRAIN": "IDLE, ours", "after UNDRAIN with an empty reason": "IDLE, Prolog error"},
            _STAYS,
        )
    },
)
def lift_and_drain_again(bench: Bench) -> Mapping[str, Any]:
    bench.drain("ours")
    bench.update("undrain")
    lifted = bench.node()
    bench.set("prolog", "exit 1")
    bench.submit("true")
    again = bench.wait_node(lambda it: it.state == "IDLE+DRAIN", "drained")
    bench.cluster.scontrol("update", f"nodename={NODE}", "state=undrain", "reason=")
    cleared = bench.node()
    seen = {"after UNDRAIN": lifted, "after UNDRAIN with an empty reason": cleared}
    return {
        **{what: f"{_settled(node)}, {node.reason or 'no reason'}" for what, node in seen.items()},
        "Slurm's own drain": f"{again.state} {again.reason}",
    }


@experiment(
    "E6",
    "RESUME and UNDRAIN on a node with a pending reboot",
    used_for="UNDRAIN, never RESUME: an administrator's reboot stays",
    relied={"RESUME": "reboot dropped", "UNDRAIN": "reboot kept"},
)
def lift_with_reboot(bench: Bench) -> Mapping[str, Any]:
    bench.cluster.reconfigure(RebootProgram="/bin/true")
    bench.submit("note job; sleep 300")
    bench.wait_noted("job")
    seen = {}
    for word in _WORDS:
        bench.cluster.scontrol("reboot", "ASAP", NODE)
        bench.wait_node(lambda it: "REBOOT_REQUESTED" in it.flags, "asked to reboot")
        bench.update(word)
        kept = "REBOOT_REQUESTED" in bench.node().flags
        seen[word] = "reboot kept" if kept else "reboot dropped"
        bench.cluster.call("scontrol", "cancel_reboot", NODE)
    return seen


@experiment(
    "E6b",
    "a second `state=drain reason=` over an administrator's drain",
    used_for="Slurm guards nobody's reason: we look before we write, and read back what we wrote",
    relied={"reason": "ours", "the time is": "new"},
)
def overwrite(bench: Bench) -> Mapping[str, Any]:
    bench.drain("by the administrator")
    before = bench.node()
    time.sleep(1.2)
    bench.drain("ours")
    node = bench.node()
    return {"reason": node.reason, "the time is": "new" if node.since != before.since else "the old one"}


@experiment(
    "F16",
    "the same reason written again",
    used_for="the rails' windows count from the first write: repeating a drain doesn't make it younger",
    relied={"the time is": "the old one"},
)
def same_reason(bench: Bench) -> Mapping[str, Any]:
    bench.drain("ours")
    before = bench.node()
    time.sleep(1.2)
    bench.drain("ours")
    return {"the time is": "new" if bench.node().since != before.since else "the old one"}


@experiment(
    "E15",
    "a reason of 3000 characters with quotes, a newline, an escape sequence and UTF-8",
    used_for="Slurm cleans nothing: our reasons are one line of safe ASCII, and others' are read as foreign text",
    relied={
        "kept": "to the byte",
        "scontrol show node has of it": "the first line, then who and when, then the rest",
        "sinfo -R shows": "20 characters",
    },
)
def awkward_reason(bench: Bench) -> Mapping[str, Any]:
    bench.drain(_AWKWARD)
    kept = bench.cluster.ask("sinfo", "--noheader", f"--nodes={NODE}", "--format=%E").removesuffix("\n")
    shown = bench.cluster.ask("sinfo", "-R", "--noheader").splitlines()[0]
    first, second = _AWKWARD.splitlines()
    text = bench.cluster.scontrol("show", "node", NODE)
    split = re.search(rf"Reason={re.escape(first)} \[root@\S+\]\n\s*{re.escape(second)}", text)
    return {
        "scontrol show node has of it": "the first line, then who and when, then the rest" if split else text,
        "kept": "to the byte" if kept == _AWKWARD else f"{len(kept)} characters, {kept[:60]!r}",
        "sinfo -R shows": f"{len(shown.partition(' root')[0].rstrip())} characters",
    }


@experiment(
    "F1",
    "`scontrol update nodename=ALL state=drain`, also `all`",
    used_for="a node's name is checked before it reaches scontrol: two names mean the whole cluster",
    relied={"ALL": "every node", "all": "every node"},
)
def all_nodes(bench: Bench) -> Mapping[str, Any]:
    seen = {}
    for word in ("ALL", "all"):
        status = bench.cluster.call(
            "scontrol", "update", f"nodename={word}", "state=drain", "reason=x"
        ).returncode
        states = set(bench.cluster.node_states().values())
        seen[word] = "every node" if states == {"DRAINED"} else f"{sorted(states)}, exit status {status}"
        bench.update("undrain", "ALL")
        bench.cluster.wait_nodes()
    return seen


@experiment(
    "F7",
    "the state read at once after UNDRAIN",
    used_for="success is the state that was read back, some time after the exit status",
    relied={"exit status": 0, "at once": "idle*", "within 5 s": "idle"},
)
def undrain_takes_time(bench: Bench) -> Mapping[str, Any]:
    bench.drain("ours")
    status = bench.update("undrain")
    first = bench.cluster.shown_states()[NODE]
    until(lambda: bench.cluster.shown_states()[NODE] == "idle", "idle", timeout=5, evidence=bench.evidence)
    return {"exit status": status, "at once": first, "within 5 s": "idle"}


@experiment(
    "F11",
    "who may update nodes: an ordinary user, an Operator, an Administrator, a guest without slurmdbd",
    used_for="only root, SlurmUser and Administrators drain; an Operator's account doesn't do for the head",
    relied={
        "without slurmdbd, ordinary user": "refused",
        "with slurmdbd, ordinary user": "refused",
        "Operator, drain": "refused",
        "Operator, reservation": "allowed",
        "Administrator, drain": "allowed",
        "Administrator, reboot": "allowed",
    },
)
def who_may(bench: Bench) -> Mapping[str, Any]:
    drain = ("update", f"nodename={NODE}", "state=drain", "reason=x")
    reserve = ("create", "reservation", "starttime=now", "duration=1", "users=root", f"nodes={NODE}")
    seen = {"without slurmdbd, ordinary user": _may(bench.cluster, *drain)}
    with _with_accounting(bench) as cluster:
        cluster._sacctmgr("user", PERSON, f"account={ACCOUNT}")
        seen["with slurmdbd, ordinary user"] = _may(cluster, *drain)
        for level, calls in (
            ("Operator", {"drain": drain, "reservation": reserve}),
            ("Administrator", {"drain": drain, "reboot": ("reboot", "ASAP", NODE)}),
        ):
            cluster.ask("sacctmgr", "--immediate", "modify", "user", PERSON, "set", f"adminlevel={level}")
            time.sleep(2)  # slurmdbd tells slurmctld
            seen |= {f"{level}, {what}": _may(cluster, *words) for what, words in calls.items()}
    return seen


@contextlib.contextmanager
def _with_accounting(bench: Bench) -> Iterator[SlurmCluster]:
    extra = {"RebootProgram": "/bin/true"}
    cluster = SlurmCluster(bench.ledger, release=bench.kind, nodes=1, accounting=True, extra=extra)
    try:
        with _DATABASE:
            cluster.start()
        yield cluster
    finally:
        cluster.close()


def _may(cluster: SlurmCluster, *words: str) -> str:
    done = call(cluster, "scontrol", *words)
    return "allowed" if done.returncode == 0 else "refused"


def _settled(node: Node) -> str:
    """Its state, whether its slurmd has answered since or not."""
    return replace(node, flags=node.flags - {"NOT_RESPONDING"}).state
