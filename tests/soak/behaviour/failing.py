"""Hooks that fail: what Slurm then does to the node and to the job."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

from tests.lab.ports import listening
from tests.lab.slurm import SlurmCluster
from tests.soak.behaviour.bench import NODE, Bench
from tests.soak.behaviour.experiment import Known, Seen, experiment

if TYPE_CHECKING:
    from collections.abc import Mapping

_HELD = "launch_failed_requeued_held"
_DRAINED = {"node": "IDLE+DRAIN", "reason": "Prolog error", "job": f"PENDING {_HELD}"}


def _after_failure(bench: Bench, job: int, node: str = NODE) -> Seen:
    """Node and job, once both have settled."""
    found = bench.wait_node(lambda it: it.state == "IDLE+DRAIN", "drained", node)
    fields = bench.wait_job(job, "PENDING", _HELD)
    return {"node": found.state, "reason": found.reason, "job": f"{fields['JobState']} {fields['Reason']}"}


@experiment(
    "E1",
    "a prolog that ends with 1",
    used_for="block-and-drain: the prolog's exit status alone drains the node and puts the job back, held",
    relied={
        **_DRAINED,
        "by": "root",
        "restarts": "1",
        "priority": "0",
        "its output in slurmd's log": True,
        "epilog runs": True,
    },
)
def prolog_fails(bench: Bench) -> Mapping[str, Any]:
    bench.set("prolog", "echo what the prolog says; exit 1")
    bench.set("epilog", "note epilog")
    job = bench.submit("note job")
    seen = _after_failure(bench, job)
    fields = bench.job(job)
    time.sleep(0.5)  # an epilog that comes at all comes at once
    return {
        **seen,
        "by": bench.node().who,
        "restarts": fields["Restarts"],
        "priority": fields["Priority"],
        "its output in slurmd's log": "what the prolog says" in bench.log(),
        "epilog runs": bool(bench.noted("epilog")),
    }


@experiment(
    "E2",
    "a reason without a state on a healthy node, then exit 1",
    used_for="our drain is one update with state and reason; a reason alone would be lost",
    relied={**_DRAINED, "reason on the healthy node": ""},
    known={
        "24.11": Known(
            {"reason": "ours", "reason on the healthy node": "ours"},
            "the reason stays on the healthy node: it counts as ours only together with DRAIN",
        )
    },
)
def reason_without_state(bench: Bench) -> Mapping[str, Any]:
    bench.set("prolog", "scontrol update nodename=$SLURMD_NODENAME reason=ours; note given; sleep 1; exit 1")
    job = bench.submit("true")
    bench.wait_noted("given")
    healthy = bench.node().reason
    return {**_after_failure(bench, job), "reason on the healthy node": healthy}


@experiment(
    "E2c",
    "the prolog drains with a reason, then ends with 1",
    used_for="block-and-drain: Slurm's own drain leaves our reason alone",
    relied={**_DRAINED, "reason": "ours"},
)
def drain_and_fail(bench: Bench) -> Mapping[str, Any]:
    bench.set("prolog", "scontrol update nodename=$SLURMD_NODENAME state=drain reason=ours; exit 1")
    return _after_failure(bench, bench.submit("true"))


@experiment(
    "E2d",
    "the prolog drains with a reason, then ends with 0",
    used_for="drain-after-job: this job runs to its end, no later one starts",
    relied={
        "during the job": "MIXED+DRAIN",
        "job": "COMPLETED",
        "afterwards": "IDLE+DRAIN",
        "reason": "ours",
        "next job": "PENDING",
    },
)
def drain_and_allow(bench: Bench) -> Mapping[str, Any]:
    bench.set("prolog", "scontrol update nodename=$SLURMD_NODENAME state=drain reason=ours")
    job = bench.submit("note job; sleep 2")
    bench.wait_noted("job")
    following = bench.submit("true")
    during = bench.node().state
    ended = bench.cluster.wait_job(job)
    node = bench.wait_node(lambda it: "IDLE" in it.flags and "COMPLETING" not in it.flags, "idle")
    return {
        "during the job": during,
        "job": ended,
        "afterwards": node.state,
        "reason": node.reason,
        "next job": bench.cluster.job_state(following),
    }


@experiment(
    "E3",
    "`Prolog=/path --with arguments` in slurm.conf",
    used_for="what slurm.conf points to takes no arguments; a configuration is parsed before it is proposed",
    relied={"clients": "refuse", "slurmctld, told to read it": "ends", "slurmd, told to read it": "ends"},
)
def prolog_with_arguments(bench: Bench) -> Mapping[str, Any]:
    with SlurmCluster(bench.ledger, release=bench.kind, nodes=1) as cluster:
        cluster.conf.write_text(f"{cluster.conf.read_text()}Prolog=/bin/true --config x\n")
        answer = cluster.call("sinfo")
        for pid in (cluster._controller_pid(), cluster._daemons[NODE].pid):
            os.kill(pid, signal.SIGHUP)
        time.sleep(3)
        listens = {"slurmctld": cluster.ports.controller, "slurmd": cluster._port(NODE)}
        return {
            "clients": "refuse" if "Unable to process configuration file" in answer.stderr else "work",
            **{
                f"{daemon}, told to read it": "goes on" if listening(port) else "ends"
                for daemon, port in listens.items()
            },
        }


@experiment(
    "E4",
    "an epilog that ends with 1, on a clean node and on one that an administrator drained",
    used_for="Slurm's own drain never overwrites a reason that is there",
    relied={
        "clean": "IDLE+DRAIN Epilog error",
        "drained": "IDLE+DRAIN by the administrator",
        "job": "COMPLETED",
    },
)
def epilog_fails(bench: Bench) -> Mapping[str, Any]:
    clean, drained = bench.cluster.nodes[:2]
    bench.set("epilog", "exit 1")
    jobs = {name: bench.submit("note $SLURMD_NODENAME; sleep 1", node=name) for name in (clean, drained)}
    bench.wait_noted(drained)
    bench.drain("by the administrator", drained)
    seen = {}
    for word, name in (("clean", clean), ("drained", drained)):
        node = bench.wait_node(lambda it: it.state == "IDLE+DRAIN", "drained", name)
        seen[word] = f"{node.state} {node.reason}"
    return {**seen, "job": bench.cluster.wait_job(jobs[clean])}


@experiment(
    "E11",
    "`Prolog=` is a pattern: three scripts of which the middle one fails; a file among them that can't be executed",
    used_for="our launcher is one file, named in full, outside any folder with a pattern",
    relied={
        "order when all succeed": "90 50 10",
        "order when 50 fails": "90 50",
        "with a file that can't be executed": "IDLE+DRAIN Prolog error",
    },
)
def prolog_pattern(bench: Bench) -> Mapping[str, Any]:
    folder = bench.cluster.layout.hooks / "prolog.d"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number in ("10", "50", "90"):
        bench.cluster.hook(f"prolog.d/{number}", f"{bench.prelude}note {number}\n")
    bench.cluster.reconfigure(Prolog=f"{folder}/*")
    bench.cluster.wait_job(bench.submit("true"))
    good = _order(bench)
    bench.cluster.hook("prolog.d/50", f"{bench.prelude}note 50; exit 1\n")
    _after_failure(bench, bench.submit("true"))
    bad = _order(bench)[len(good) :]
    bench.cluster.hook("prolog.d/50", f"{bench.prelude}note 50\n")
    (folder / "55-read-me").write_text("not a script\n")
    bench.submit("true", node="gpu-002")
    node = bench.wait_node(lambda it: it.state == "IDLE+DRAIN", "drained", "gpu-002")
    return {
        "order when all succeed": " ".join(good),
        "order when 50 fails": " ".join(bad),
        "with a file that can't be executed": f"{node.state} {node.reason}",
    }


@experiment(
    "F8",
    "`Prolog=` names a path that isn't on the node",
    used_for="what slurm.conf points to is a launcher that is surely there; it alone knows whether our tree is",
    relied=_DRAINED,
)
def prolog_missing(bench: Bench) -> Mapping[str, Any]:
    bench.cluster.reconfigure(Prolog="/nonexistent/prolog")
    return _after_failure(bench, bench.submit("true"))


@experiment(
    "F9",
    "a prolog whose interpreter is gone, and one with a syntax error",
    used_for="the launcher turns everything but our own status into success",
    relied={"interpreter gone": "IDLE+DRAIN Prolog error", "syntax error": "IDLE+DRAIN Prolog error"},
)
def prolog_broken(bench: Bench) -> Mapping[str, Any]:
    seen = {}
    texts = {"interpreter gone": "#!/nonexistent/python3\n", "syntax error": "#!/usr/bin/python3\nif\n"}
    for node, (what, text) in zip(bench.cluster.nodes, texts.items(), strict=False):
        bench.set("prolog", text)
        found = _after_failure(bench, bench.submit("true", node=node), node)
        seen[what] = f"{found['node']} {found['reason']}"
    return seen


@experiment(
    "F10",
    "slurmctld is stopped while the prolog runs; the prolog ends with 1",
    used_for="a verdict isn't lost with the controller: slurmd goes on reporting it",
    relied={"node": "IDLE+DRAIN", "reason": "Prolog error"},
)
def prolog_fails_without_controller(bench: Bench) -> Mapping[str, Any]:
    bench.set("prolog", "note begin; sleep 3; note end; exit 1")
    bench.submit("true")
    bench.wait_noted("begin")
    bench.cluster.stop_controller()
    bench.wait_noted("end")
    bench.cluster.start_controller()
    node = bench.wait_node(lambda it: it.state == "IDLE+DRAIN", "drained")
    return {"node": node.state, "reason": node.reason}


def _order(bench: Bench) -> list[str]:
    return [event.words for event in bench.noted()]
