"""Record the whole environment that each release gives to Prolog, Epilog and HealthCheckProgram, for many kinds of job.

`python -m tests.soak.behaviour.environments` writes the records of all releases to tests/aami_slurm/environments/,
where other tests read them as what Slurm really says. What belongs to this machine alone is replaced.
"""

from __future__ import annotations

import json
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.ledger import Ledger
from tests.lab.releases import Release
from tests.lab.slurm import SlurmCluster
from tests.lab.waiting import until
from tests.soak.behaviour.clusters import FOUND_GPUS, FOUND_TYPE, WithFoundGpus, WithShards
from tests.soak.behaviour.people import submit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER = Path(__file__).resolve().parent.parent.parent / "aami_slurm" / "environments"
HOOKS = ("prolog", "epilog", "health")
_REVOKED = 2.0  # seconds: 22.05 refuses a job that starts again in the second of its requeue
STRANGE = 'it\'s "so"\n\x1b[31m$(id)'  # what an ordinary user may write into a comment

# A shell's own environment would have PWD and more in it; this is what it was started with, to the byte.
_DUMP = """#!/bin/sh
to="${{0%/*}}/{hook}.$SLURMD_NODENAME.$$"
/bin/cat /proc/$$/environ > "$to.part" && /bin/mv "$to.part" "$to.dump"
[ {hook} = prolog ] || exit 0
[ "$SLURM_JOB_COMMENT" != {slow} ] || /bin/sleep 2
[ "$SLURM_JOB_COMMENT" != {fails} ]
"""
_SLOW, _FAILS = "slow-prolog", "failing-prolog"  # job comments that the prolog above obeys
_PASSING = re.compile(r"_TIME$|SLUID$|JOB_ID$|^SLURM_JOBID$|NODELIST$|NODENAME$|GPUS$|DEVICE|ZE_AFFINITY")
Environ = dict[str, str]
Cases = dict[str, Environ]


@dataclass(frozen=True, slots=True)
class Record:
    """What one release gave its hooks: for each hook, the environment in each case."""

    version: str
    cases: Mapping[str, Cases]

    def of(self, case: str, hook: str = "prolog") -> Environ:
        return self.cases[hook][case]


class Recorder:
    """A cluster whose hooks write down what they were given."""

    def __init__(
        self, ledger: Ledger, release: Release, kind: type[SlurmCluster] = SlurmCluster, **more: Any
    ) -> None:
        extra = {"HealthCheckInterval": "2", "HealthCheckNodeState": "ANY", **more.pop("extra", {})}
        keys = {"prolog": "Prolog", "epilog": "Epilog", "health": "HealthCheckProgram"}
        self.cluster = kind(
            ledger,
            release=release,
            nodes=2,
            name="lab",
            hooks={key: _DUMP.format(hook=hook, slow=_SLOW, fails=_FAILS) for hook, key in keys.items()},
            extra=extra,
            **more,
        )

    def submit(self, script: str, *options: str) -> int:
        return submit(self.cluster, script, *options)

    def runs(self, hook: str) -> list[Environ]:
        """What every run of this hook was given so far, oldest first."""
        found = self.cluster.layout.hooks.glob(f"{hook}.*.dump")
        return [self._read(path) for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    def of_job(self, hook: str, job: int, times: int = 1) -> list[Environ]:
        """The same of one job only; waits until there are so many."""

        def enough() -> list[Environ]:
            found = [environ for environ in self.runs(hook) if environ.get("SLURM_JOB_ID") == str(job)]
            return found if len(found) >= times else []

        return until(enough, f"{hook} of job {job}", timeout=120, evidence=self.cluster.logs)

    def both(self, job: int, times: int = 1) -> dict[str, Environ]:
        """Prolog and epilog of the last run of a job."""
        found = {hook: self.of_job(hook, job, times) for hook in ("prolog", "epilog")}
        return {hook: environs[-1] for hook, environs in found.items()}

    def next_health(self, node: str) -> Environ:
        """What the health program of this node is given from now on."""

        def of_node() -> list[Environ]:
            return [environ for environ in self.runs("health") if environ["SLURMD_NODENAME"] == node]

        so_far = len(of_node())
        # The first of them may have begun before the state that we want to see.
        return until(lambda: of_node()[so_far + 1 :], "health", timeout=30, evidence=self.cluster.logs)[0]

    def _read(self, path: Path) -> Environ:
        words = path.read_bytes().decode("utf-8", "surrogateescape").split("\0")
        return {key: self._scrub(value) for key, _, value in (word.partition("=") for word in words if word)}

    def _scrub(self, value: str) -> str:
        value = value.replace(str(self.cluster.layout.base), "/lab")
        return re.sub(rf"\b{re.escape(self.cluster.host.name)}\b", "head", value)


def record(ledger: Ledger, release: Release) -> Record:
    """Everything above, on clusters of its own; takes about two minutes, of which most is one job's time limit."""
    cases: dict[str, Cases] = {hook: {} for hook in HOOKS}

    def keep(found: Mapping[str, Mapping[str, Environ]]) -> None:
        for name, environs in found.items():
            for hook, environ in environs.items():
                cases[hook][name] = environ

    plain = Recorder(ledger, release)
    with plain.cluster as cluster:
        late = plain.submit("sleep 300", "--time=1", "--nodelist=gpu-002")
        keep({"start-up": {"health": plain.runs("health")[0]}})
        for name, job in _JOBS.items():
            keep({name: plain.both(job(plain))})
        for several in (_requeued, _het, _array, _two_nodes, _failed_prolog, _watched):
            keep(several(plain))
        keep({"timed-out": plain.both(late)})
        version = cluster.version
    keep(_shared(Recorder(ledger, release, WithShards, extra={"SlurmctldParameters": "health_check_report"})))
    if plain.cluster.installation.root is not None:  # where NVIDIA's driver can be made believe
        keep(_found(Recorder(ledger, release, WithFoundGpus, gpus=FOUND_GPUS, gres_type=FOUND_TYPE)))
    return Record(version, cases)


def _gpus_2_and_3(recorder: Recorder) -> int:
    holder = recorder.submit("sleep 300", "--gres=gpu:2", "--nodelist=gpu-001")
    recorder.cluster.wait_job(holder, "RUNNING")
    job = recorder.submit("true", "--gres=gpu:2", "--nodelist=gpu-001")
    recorder.of_job("epilog", job)
    recorder.cluster.ask("scancel", str(holder))
    return job


def _cancelled(recorder: Recorder, *options: str) -> int:
    job = recorder.submit("sleep 300", "--gres=gpu:1", *options)
    recorder.of_job("prolog", job)
    if not options:
        recorder.cluster.wait_job(job, "RUNNING")
    recorder.cluster.ask("scancel", str(job))
    return job


_JOBS: dict[str, Callable[[Recorder], int]] = {
    "no-gpus": lambda recorder: recorder.submit("true"),
    "gpus-2-3": _gpus_2_and_3,
    "exclusive-node": lambda recorder: recorder.submit("true", "--exclusive", "--gres=gpu:8"),
    "exclusive-node-without-gpus": lambda recorder: recorder.submit("true", "--exclusive"),
    "steps-in-an-allocation": lambda recorder: recorder.submit(
        "srun --gres=gpu:1 true; srun --gres=gpu:1 true", "--gres=gpu:2", "--ntasks=1"
    ),
    "strange-words": lambda recorder: recorder.submit(
        "true",
        f"--comment={STRANGE}",
        f"--account={STRANGE.splitlines()[0]}",
        f"--job-name={STRANGE}",
        "--gres=gpu:1",
    ),
    "exit-3": lambda recorder: recorder.submit("exit 3"),
    "killed-itself": lambda recorder: recorder.submit("kill -9 $$"),
    "child-killed": lambda recorder: recorder.submit("sh -c 'kill -9 $$'; exit $?"),
    "cancelled": _cancelled,
    "cancelled-in-the-prolog": lambda recorder: _cancelled(recorder, f"--comment={_SLOW}"),
    "step-failed": lambda recorder: recorder.submit(
        "srun false; sleep 1; exit 0"
    ),  # at once, 24.11 forgets it at times
}


def _requeued(recorder: Recorder) -> dict[str, dict[str, Environ]]:
    marker = recorder.cluster.layout.jobs / "again"
    job = recorder.submit(
        f"[ -e {marker} ] && exit 0; touch {marker}; sleep 300", "--requeue", "--gres=gpu:1"
    )
    until(marker.exists, "the first run", timeout=30, evidence=recorder.cluster.logs)
    recorder.cluster.scontrol("requeue", str(job))
    first = recorder.both(job)
    time.sleep(_REVOKED)
    recorder.cluster.scontrol("update", f"jobid={job}", "starttime=now")
    return {"requeued-first-run": first, "requeued": recorder.both(job, times=2)}


def _failed_prolog(recorder: Recorder) -> dict[str, dict[str, Environ]]:
    job = recorder.submit("true", "--gres=gpu:1", "--nodelist=gpu-001", f"--comment={_FAILS}")
    found = recorder.both(job)
    recorder.cluster.wait_nodes("DRAINED", nodes=["gpu-001"])
    recorder.cluster.ask("scancel", str(job))
    recorder.cluster.scontrol("update", "nodename=gpu-001", "state=resume")
    recorder.cluster.wait_nodes(nodes=["gpu-001"])
    return {"failed-prolog": found}


def _watched(recorder: Recorder) -> dict[str, dict[str, Environ]]:
    """The health program in each state of its node; a job runs on the second one."""
    found = {"idle": recorder.next_health("gpu-001"), "allocated": recorder.next_health("gpu-002")}
    recorder.cluster.scontrol("update", "nodename=gpu-001", "state=drain", "reason=recorded")
    found["drained"] = recorder.next_health("gpu-001")
    return {name: {"health": environ} for name, environ in found.items()}


def _shared(recorder: Recorder) -> dict[str, dict[str, Environ]]:
    with recorder.cluster:
        first, second = (recorder.submit("sleep 3", "--gres=shard:1") for _ in range(2))
        found = {"shard": recorder.both(first), "shard-of-the-same-gpu": recorder.both(second)}
        reported = {"idle-reported": recorder.next_health("gpu-001")}
        recorder.cluster.scontrol("update", "nodename=gpu-001", "state=drain", "reason=recorded")
        reported["drained-reported"] = recorder.next_health("gpu-001")
        return {**found, **{name: {"health": environ} for name, environ in reported.items()}}


def _found(recorder: Recorder) -> dict[str, dict[str, Environ]]:
    with recorder.cluster:
        return {"found-gpus": recorder.both(recorder.submit("true", f"--gres=gpu:{FOUND_GPUS}"))}


def _het(recorder: Recorder) -> dict[str, dict[str, Environ]]:
    leader = recorder.submit("srun --het-group=0,1 true", "--gres=gpu:1", ":", "--gres=gpu:2")
    return {"het-leader": recorder.both(leader), "het-second": recorder.both(leader + 1)}


def _array(recorder: Recorder) -> dict[str, dict[str, Environ]]:
    job = recorder.submit("sleep 1", "--array=3-4", "--gres=gpu:1")
    # One task keeps the array's own id, the other gets the next.
    return {"array-last-task": recorder.both(job), "array-first-task": recorder.both(job + 1)}


def _two_nodes(recorder: Recorder) -> dict[str, dict[str, Environ]]:
    job = recorder.submit("srun true", "--nodes=2", "--gres=gpu:2")
    found = {hook: recorder.of_job(hook, job, 2) for hook in ("prolog", "epilog")}
    return {
        f"two-nodes-{node}": {
            hook: next(environ for environ in environs if environ["SLURMD_NODENAME"] == node)
            for hook, environs in found.items()
        }
        for node in recorder.cluster.nodes
    }


def path(release: Release, hook: str) -> Path:
    return FOLDER / f"{release.value}-{hook}.json"


def write(release: Release, found: Record) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for hook, cases in found.cases.items():
        document: dict[str, Any] = {"slurm": found.version, "hook": hook, "cases": cases}
        path(release, hook).write_text(json.dumps(document, indent=1) + "\n", encoding="ascii")


def drift(release: Release, found: Record) -> list[str]:
    """Where this recording differs from the one on disk, times, ids and places apart."""
    differences = []
    for hook, cases in found.cases.items():
        old: Cases = json.loads(path(release, hook).read_text())["cases"]
        for name in sorted(old.keys() | cases.keys()):
            before, now = _lasting(old.get(name, {})), _lasting(cases.get(name, {}))
            changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
            differences += [f"{hook}, {name}: {key}" for key in changed]
    return differences


def _lasting(environ: Environ) -> Environ:
    """What is the same whenever it is recorded: of what is not, only that it is there."""
    return {key: "" if _PASSING.search(key) else value for key, value in environ.items()}


def main() -> int:
    with Ledger("environments") as ledger, ThreadPoolExecutor(len(Release)) as pool:
        for release, found in zip(Release, pool.map(lambda it: record(ledger, it), Release), strict=True):
            write(release, found)
            print(
                f"{found.version}: {', '.join(f'{len(cases)} of {hook}' for hook, cases in found.cases.items())}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
