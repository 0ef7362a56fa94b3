"""What Slurm tells its hooks: read off the environments that the recorder takes on this release, at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.soak.behaviour.clusters import FOUND_GPUS, uuid
from tests.soak.behaviour.environments import STRANGE, drift
from tests.soak.behaviour.experiment import Known, experiment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.soak.behaviour.bench import Bench
    from tests.soak.behaviour.environments import Environ, Record

_GPU_NAMES = (
    "SLURM_JOB_GPUS",
    "CUDA_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ROCR_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK",
)
_ALWAYS = (
    "SLURMD_NODENAME",
    "SLURM_CLUSTER_NAME",
    "SLURM_CONF",
    "SLURM_JOB_ID",
    "SLURM_JOB_PARTITION",
    "SLURM_JOB_RESTART_COUNT",
    "SLURM_JOB_UID",
    "SLURM_JOB_USER",
    "SLURM_SCRIPT_CONTEXT",
)
_NEVER = ("HOME", "LANG", "PATH", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_NAME")
_BOTH = ("prolog", "epilog")
_OWN = "its own in each run, the same in prolog and epilog"


def _runs(found: Record) -> list[Environ]:
    return [environ for hook in _BOTH for environ in found.cases[hook].values()]


@experiment(
    "P6",
    "the variables of a prolog and an epilog, over all kinds of jobs; those of a health program",
    used_for="what the ledger's entry is made of; our programs need no PATH, and health knows its node's name only",
    relied={
        "always there": ", ".join(_ALWAYS),
        "never there": ", ".join(_NEVER),
        "health": "SLURMD_NODENAME",
        "differs from the record that tests use": "",
    },
    slow=True,
)
def variables(bench: Bench) -> Mapping[str, Any]:
    found = bench.record()
    runs = _runs(found)
    return {
        "always there": ", ".join(name for name in _ALWAYS if all(name in run for run in runs)),
        "never there": ", ".join(name for name in _NEVER if not any(name in run for run in runs)),
        "health": ", ".join(sorted({*found.of("start-up", "health"), *found.of("idle", "health")})),
        "differs from the record that tests use": "; ".join(drift(bench.kind, found)),
    }


@experiment(
    "E18",
    "EXIT_CODE and EXIT_CODE2 in the epilog",
    used_for="how the ledger reads them: `0:0` says nothing about success",
    relied={
        "exit 3": "768 3:0",
        "kill -9 of itself": "9 0:9",
        "a child killed": "35072 137:0",
        "a failed step, exit 0": "0 0:0, DERIVED_EC=256",
        "scancel": "0 0:0",
        "scancel in the prolog": "0 0:0",
        "over its time limit": "0 0:0",
        "requeued": "0 0:0",
        "its prolog failed": "4022 0:54",
    },
    known={
        "22.05": Known(
            {"its prolog failed": "0 0:0"}, "`0:0` says nothing anyway; 4022 is Slurm's error number"
        )
    },
    slow=True,
)
def exit_codes(bench: Bench) -> Mapping[str, Any]:
    cases = {
        "exit 3": "exit-3",
        "kill -9 of itself": "killed-itself",
        "a child killed": "child-killed",
        "a failed step, exit 0": "step-failed",
        "scancel": "cancelled",
        "scancel in the prolog": "cancelled-in-the-prolog",
        "over its time limit": "timed-out",
        "requeued": "requeued-first-run",
        "its prolog failed": "failed-prolog",
    }
    return {what: _exit(bench.record().of(case, "epilog")) for what, case in cases.items()}


def _exit(environ: Environ) -> str:
    code = f"{environ['SLURM_JOB_EXIT_CODE']} {environ['SLURM_JOB_EXIT_CODE2']}"
    derived = environ["SLURM_JOB_DERIVED_EC"]
    return code if derived == "0" else f"{code}, DERIVED_EC={derived}"


@experiment(
    "P7",
    "SLURM_JOB_RESTART_COUNT of a job that is requeued",
    used_for="an entry of the ledger is closed by job id; the epilog's count is that of the run to come",
    relied={
        "first run": "prolog 0, epilog 1",
        "second run": "prolog 1, epilog 1",
        "prolog failed": "prolog 0, epilog 1",
    },
    slow=True,
)
def restart_counts(bench: Bench) -> Mapping[str, Any]:
    cases = {"first run": "requeued-first-run", "second run": "requeued", "prolog failed": "failed-prolog"}
    return {what: _both(bench.record(), case, "SLURM_JOB_RESTART_COUNT") for what, case in cases.items()}


def _both(found: Record, case: str, name: str) -> str:
    return ", ".join(f"{hook} {found.of(case, hook).get(name, 'nothing')}" for hook in _BOTH)


@experiment(
    "P8",
    "what else tells the runs of a requeued job apart: SLURM_JOB_SLUID, SLURM_JOB_START_TIME",
    used_for="a run's own key in the ledger where the release has one",
    relied={"SLURM_JOB_SLUID": _OWN, "SLURM_JOB_START_TIME": _OWN},
    known={
        "24.11": Known({"SLURM_JOB_SLUID": "not there"}, "came with 25.11; the start time does as well"),
        "22.05": Known(
            {"SLURM_JOB_SLUID": "not there", "SLURM_JOB_START_TIME": "not there"},
            "the open entry of that job id on this node is the run that ends",
        ),
    },
    slow=True,
)
def run_keys(bench: Bench) -> Mapping[str, Any]:
    return {name: _key(bench.record(), name) for name in ("SLURM_JOB_SLUID", "SLURM_JOB_START_TIME")}


def _key(found: Record, name: str) -> str:
    if not any(name in run for run in _runs(found)):
        return "not there"
    first, second = (
        {found.of(case, hook)[name] for hook in _BOTH} for case in ("requeued-first-run", "requeued")
    )
    return (
        _OWN if len(first) == len(second) == 1 and first != second else f"{sorted(first)}, {sorted(second)}"
    )


@experiment(
    "P9",
    "the GPUs of a job, as its prolog is told",
    used_for="which GPUs a job has; that it shares them is nowhere said, the ledger's open entries show it",
    relied={
        "GPUs 2 and 3": "2,3",
        "no GPUs": "nothing set",
        "--exclusive, no GPUs asked for": "0,1,2,3,4,5,6,7",
        "a shard of GPU 0": "0",
        "another shard of GPU 0": "0",
        "the epilog": "is told the same",
    },
    slow=True,
)
def job_gpus(bench: Bench) -> Mapping[str, Any]:
    cases = {
        "GPUs 2 and 3": "gpus-2-3",
        "no GPUs": "no-gpus",
        "--exclusive, no GPUs asked for": "exclusive-node-without-gpus",
        "a shard of GPU 0": "shard",
        "another shard of GPU 0": "shard-of-the-same-gpu",
    }
    found = bench.record()
    same = all(_gpus(found.of(case)) == _gpus(found.of(case, "epilog")) for case in found.cases["prolog"])
    return {
        **{what: _gpus(found.of(case)) for what, case in cases.items()},
        "the epilog": "is told the same" if same else "is told something else",
    }


def _gpus(environ: Environ) -> str:
    """The one value that all variables have; `nothing set`; or each by name where they differ."""
    values = {name: environ[name] for name in _GPU_NAMES if name in environ}
    if not values:
        return "nothing set"
    return next(iter(values.values())) if len(set(values.values())) == 1 else str(values)


@experiment(
    "P5",
    "CUDA_VISIBLE_DEVICES when slurmd finds the GPUs by itself (AutoDetect=nvidia)",
    used_for="the job's GPUs are read from indexes and from UUIDs alike",
    relied={
        "CUDA_VISIBLE_DEVICES": ",".join(uuid(number) for number in range(FOUND_GPUS)),
        "SLURM_JOB_GPUS": ",".join(str(number) for number in range(FOUND_GPUS)),
    },
    known={
        "24.11": Known({"CUDA_VISIBLE_DEVICES": "0,1"}, "indexes"),
        "22.05": Known(
            {"CUDA_VISIBLE_DEVICES": "not tried", "SLURM_JOB_GPUS": "not tried"},
            "it has no such plugin, and Debian builds none for NVML",
        ),
    },
    slow=True,
)
def gpu_uuids(bench: Bench) -> Mapping[str, Any]:
    environ = bench.record().cases["prolog"].get("found-gpus", {})
    return {name: environ.get(name, "not tried") for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS")}


@experiment(
    "P10",
    "the ids of array tasks and of a heterogeneous job's parts",
    used_for="every task and every part is a job of its own in the ledger",
    relied={
        "array tasks": "ids of their own, nothing else",
        "parts": "ids of their own, SLURM_HET_JOB_ID is the first's",
        "a job on two nodes": "one id",
    },
    slow=True,
)
def job_ids(bench: Bench) -> Mapping[str, Any]:
    found = bench.record()
    tasks = [found.of(case) for case in ("array-first-task", "array-last-task")]
    parts = [found.of(case) for case in ("het-leader", "het-second")]
    nodes = [found.of(case) for case in ("two-nodes-gpu-001", "two-nodes-gpu-002")]
    leader = {part.get("SLURM_HET_JOB_ID") for part in parts}
    return {
        "array tasks": f"{_own_ids(tasks)}, nothing else",
        "parts": f"{_own_ids(parts)}, SLURM_HET_JOB_ID is the first's"
        if leader == {parts[0]["SLURM_JOB_ID"]}
        else f"SLURM_HET_JOB_ID {leader}",
        "a job on two nodes": "one id" if len({run["SLURM_JOB_ID"] for run in nodes}) == 1 else "several ids",
    }


def _own_ids(runs: list[Environ]) -> str:
    ids = {run["SLURM_JOB_ID"] for run in runs}
    return "ids of their own" if len(ids) == len(runs) else f"ids {sorted(ids)}"


@experiment(
    "P11",
    "SLURM_NODE_IS_HEALTHY in a health program, with SlurmctldParameters=health_check_report",
    used_for="a hint only, where it is there: an administrator's drain makes it `no`, too",
    relied={"idle": "yes", "drained": "no", "without the parameter": "not there"},
    known=dict.fromkeys(
        ("22.05", "24.11"),
        Known(
            {"idle": "not there", "drained": "not there"},
            "came with 26.05; the parameter is taken without a word",
        ),
    ),
    slow=True,
)
def node_is_healthy(bench: Bench) -> Mapping[str, Any]:
    cases = {"idle": "idle-reported", "drained": "drained-reported", "without the parameter": "idle"}
    found = bench.record()
    return {
        what: found.of(case, "health").get("SLURM_NODE_IS_HEALTHY", "not there")
        for what, case in cases.items()
    }


@experiment(
    "F12",
    "an ordinary user's account and comment, without slurmdbd: quotes, a newline, an escape sequence, `$(id)`",
    used_for="text, never authority: no comment skips a check, nothing of it is printed raw",
    relied={"account": "any, to the byte, in both hooks", "comment": "to the byte, in both hooks"},
    slow=True,
)
def strange_words(bench: Bench) -> Mapping[str, Any]:
    first = STRANGE.splitlines()[0]
    runs = [bench.record().of("strange-words", hook) for hook in _BOTH]
    account = all(run.get("SLURM_JOB_ACCOUNT") == first for run in runs)
    comment = all(run.get("SLURM_JOB_COMMENT") == STRANGE for run in runs)
    return {
        "account": "any, to the byte, in both hooks" if account else str(runs),
        "comment": "to the byte, in both hooks" if comment else str(runs),
    }
