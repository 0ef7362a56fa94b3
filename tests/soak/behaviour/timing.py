"""Time: hooks that are slow, that hang, that overlap, and a controller that is away."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.soak.behaviour.bench import HOOK_LIMIT, NODE, Bench
from tests.soak.behaviour.experiment import experiment

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT = f"the limit of {HOOK_LIMIT} s"
_LONG = 20  # seconds: nothing here waits so long
_ABANDON = """#!/usr/bin/python3
import subprocess, sys
quiet = subprocess.DEVNULL
child = subprocess.Popen(["dd", "if=/dev/zero", "of=STUCK", "bs=1", "count=1"], env={"PATH": "/usr/bin:/bin"},
                         stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
try:
    child.wait(1)
except subprocess.TimeoutExpired:
    sys.exit(1)
"""
_SIGNALLED = """#!/usr/bin/python3
import os, signal, time
def told(number, frame):
    begin = time.monotonic()
    while True:
        os.pwrite(log, b"%09.1f\\n" % ((time.monotonic() - begin) * 1000), 0)
log = os.open("LOG", os.O_CREAT | os.O_WRONLY, 0o644)
signal.signal(signal.SIGTERM, told)
time.sleep(60)
"""


@experiment(
    "E7",
    "a prolog that is over, and a child of it that still holds its output",
    used_for="what a hook leaves behind has no descriptor of the hook's",
    relied={
        "child for 2 s": "the job waits for it",
        "child for 20 s": "the job waits for the limit, then runs",
        "child for 20 s, output closed": "the job starts at once",
    },
)
def held_output(bench: Bench) -> Mapping[str, Any]:
    cases = {
        "child for 2 s": "sleep 2 &",
        f"child for {_LONG} s": f"sleep {_LONG} &",
        f"child for {_LONG} s, output closed": f"setsid sleep {_LONG} </dev/null >/dev/null 2>&1 &",
    }
    seen = {}
    for what, text in cases.items():
        before = len(bench.noted())
        bench.set("prolog", f"note hook; {text}")
        bench.submit("note job")
        bench.wait_noted("job", times=before // 2 + 1)
        hook, job = (event.at for event in bench.noted()[before:])
        seen[what] = _in_words(job - hook)
    return seen


def _in_words(delay: float) -> str:
    if delay < 1:
        return "the job starts at once"
    return "the job waits for it" if delay < HOOK_LIMIT - 1 else "the job waits for the limit, then runs"


@experiment(
    "E8",
    "a prolog that itself sleeps in the kernel (a frozen file system)",
    used_for="no hook of ours touches a driver or a network file system in its own process",
    relied={
        "slurmd logs": f"a timeout at {_LIMIT}",
        "3 s later": "MIXED, job RUNNING",
        "the job has begun": False,
        "once it is thawed": "IDLE+DRAIN Prolog error",
    },
)
def stuck_prolog(bench: Bench) -> Mapping[str, Any]:
    with bench.frozen() as (path, system):
        system.freeze()
        bench.set("prolog", f"note hook; exec dd if=/dev/zero of={path}/stuck bs=1 count=1")
        job = bench.submit("note job")
        bench.wait_noted("hook")
        time.sleep(HOOK_LIMIT + 3)
        seen = {
            "slurmd logs": f"a timeout at {_LIMIT}"
            if re.search("timeout|timed out", bench.log())
            else "nothing",
            "3 s later": f"{bench.node().state}, job {bench.cluster.job_state(job)}",
            "the job has begun": bool(bench.noted("job")),
        }
        system.thaw()
        node = bench.wait_node(lambda it: it.state == "IDLE+DRAIN", "drained")
        return {**seen, "once it is thawed": f"{node.state} {node.reason}"}


@experiment(
    "E8c",
    "a prolog whose child sleeps in the kernel; it waits 1 s, leaves the child alone and ends with 1",
    used_for="how our hooks survive a hung driver: session of its own, no shared descriptor, deadline, abandon",
    relied={"node": "IDLE+DRAIN Prolog error", "while the child is stuck": True},
)
def abandoned_child(bench: Bench) -> Mapping[str, Any]:
    with bench.frozen() as (path, system):
        system.freeze()
        bench.set("prolog", _ABANDON.replace("STUCK", f"{path}/stuck"))
        bench.submit("true")
        node = bench.wait_node(lambda it: it.state == "IDLE+DRAIN", "drained")
        return {"node": f"{node.state} {node.reason}", "while the child is stuck": system.frozen}


@experiment(
    "E10",
    "how long a prolog lives after SIGTERM at the limit",
    used_for="deadlines are our own: slurmd's leaves no time to clean up",
    relied={"node": "IDLE+DRAIN Prolog error", "SIGTERM arrives": True, "SIGKILL follows within": "100 ms"},
)
def life_after_sigterm(bench: Bench) -> Mapping[str, Any]:
    log = bench.cluster.layout.jobs / "after-sigterm"
    log.unlink(missing_ok=True)
    bench.set("prolog", _SIGNALLED.replace("LOG", str(log)))
    bench.submit("true")
    node = bench.wait_node(lambda it: it.state == "IDLE+DRAIN", "drained")
    text = log.read_text()
    lived = float(text) if text else -1
    return {
        "node": f"{node.state} {node.reason}",
        "SIGTERM arrives": bool(text),
        "SIGKILL follows within": "100 ms" if 0 <= lived < 100 else f"{lived:.0f} ms",
    }


@experiment(
    "E12",
    "a health program that takes longer than HealthCheckInterval",
    used_for="a health run that finds another one running ends at once",
    relied={"runs beside each other": True},
)
def health_overlaps(bench: Bench) -> Mapping[str, Any]:
    bench.set("health", "[ $SLURMD_NODENAME = gpu-001 ] || exit 0; note begin; sleep 4; note end")
    bench.cluster.reconfigure(HealthCheckInterval="1", HealthCheckNodeState="ANY")
    bench.wait_noted("end")
    return {"runs beside each other": _beside([event.words for event in bench.noted()])}


@experiment(
    "E13",
    "two jobs that begin and end on one node at the same time",
    used_for="hooks run side by side: every file of ours has a lock",
    relied={"prologs beside each other": True, "epilogs beside each other": True},
)
def hooks_overlap(bench: Bench) -> Mapping[str, Any]:
    for hook in ("prolog", "epilog"):
        bench.set(hook, f"note {hook} begin; sleep 1.5; note {hook} end")
    for _ in range(2):
        bench.submit("sleep 1")
    bench.wait_noted("epilog end", times=2)
    return {
        f"{hook}s beside each other": _beside(
            [event.words.removeprefix(f"{hook} ") for event in bench.noted(f"{hook} ")]
        )
        for hook in ("prolog", "epilog")
    }


def _beside(words: list[str]) -> bool:
    """Does a second one begin before the first ends?"""
    return words[:2] == ["begin", "begin"]


@experiment(
    "E14",
    "scancel while the prolog runs",
    used_for="the ledger's entry is closed by an epilog also then; the job itself never runs",
    relied={
        "prolog": "runs to its end",
        "epilog": "runs afterwards, EXIT_CODE2=0:0",
        "job": "CANCELLED",
        "ran": False,
    },
)
def cancel_in_prolog(bench: Bench) -> Mapping[str, Any]:
    bench.set("prolog", "note prolog begin; sleep 2; note prolog end")
    bench.set("epilog", "note epilog EXIT_CODE2=$SLURM_JOB_EXIT_CODE2")
    job = bench.submit("note ran")
    bench.wait_noted("prolog begin")
    bench.cluster.ask("scancel", str(job))
    epilog = bench.wait_noted("epilog")[0]
    ended = bench.noted("prolog end")
    return {
        "prolog": "runs to its end" if ended else "is ended",
        "epilog": f"runs {'afterwards' if ended and ended[0].at < epilog.at else 'before'}, "
        + epilog.words.removeprefix("epilog "),
        "job": bench.cluster.job_state(job),
        "ran": bool(bench.noted("ran")),
    }


@experiment(
    "E16",
    "scontrol and sinfo while slurmctld is stopped",
    used_for="every call of ours has its own limit of 3 s: Slurm's is much longer, only the ping is quick",
    relied={
        "scontrol show node": "fails, later than 3 s",
        "scontrol update": "fails, later than 3 s",
        "sinfo": "fails, later than 3 s",
        "scontrol ping": "fails at once",
    },
)
def controller_away(bench: Bench) -> Mapping[str, Any]:
    calls = {
        "scontrol show node": ("scontrol", "show", "node", NODE),
        "scontrol update": ("scontrol", "update", f"nodename={NODE}", "state=drain", "reason=x"),
        "sinfo": ("sinfo",),
        "scontrol ping": ("scontrol", "ping"),
    }
    bench.cluster.stop_controller()

    def timed(words: tuple[str, ...]) -> str:
        begin = time.monotonic()
        status = bench.cluster.call(*words).returncode
        took = time.monotonic() - begin
        when = " at once" if took < 1 else ", later than 3 s" if took > 3 else f" after {took:.0f} s"
        return ("fails" if status else "works") + when

    with ThreadPoolExecutor(len(calls)) as pool:
        return dict(zip(calls, pool.map(timed, calls.values()), strict=True))
