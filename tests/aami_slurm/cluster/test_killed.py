"""kill -9 of hooks at every step, beside a real Slurm: nothing is lost or doubled, and the node goes on."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.cluster.hooked import Hooked
from tests.aami_slurm.tree import job_environment
from tests.lab.require import lab, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab
NODE = "gpu-001"
TASKS = 24
# System calls by what they do to the node's state; the N-th of each process is its last.
QUICK = [("fdatasync", 1), ("rename", 1), ("rename", 3), ("flock", 2), ("write", 2)]
CALLS = (
    "fdatasync",
    "rename",
    "flock",
    "write",
    "openat",
    "unlink",
    "clone,fork,vfork",
    "wait4",
    "execve",
    "ftruncate",
)
EVERY = [(call, number) for call in CALLS for number in (1, 2, 3, 4, 6, 9, 15)]


@pytest.fixture(scope="module")
def cluster(lab_ledger: Ledger) -> Iterator[Hooked]:
    with lab(), Hooked(lab_ledger, nodes=2) as made:
        yield made


@pytest.fixture
def hooked(cluster: Hooked) -> Hooked:
    return cluster.fresh()


class Killer:
    """Kills hooks of these trees at random moments of their lives; launchers are left alone, they are Slurm's."""

    def __init__(self, base: Path, seed: int) -> None:
        self._mark = os.fsencode(base)
        self._dice = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hunt)
        self._due: list[tuple[float, int]] = []
        self.killed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _hunt(self) -> None:
        seen: set[str] = set()
        while not self._over.wait(0.005):
            now = time.monotonic()
            there = {path.name for path in Path("/proc").iterdir() if path.name.isdigit()}
            for name in there - seen:
                if self._is_hook(name) and self._dice.random() < 0.4:
                    self._due.append((now + self._dice.uniform(0, 0.15), int(name)))
            seen = there
            for due in [one for one in self._due if one[0] <= now]:
                self._due.remove(due)
                if self._is_hook(str(due[1])):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(due[1], signal.SIGKILL)
                        self.killed += 1

    def _is_hook(self, name: str) -> bool:
        try:
            told = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            return False
        return self._mark in told and b"/run.py\0" in told


def sound(hooked: Hooked, name: str) -> None:
    """Journal and ledger of a node: whole lines with numbers of their own, each run and each kernel record at most once."""
    for kind in ("journal", "ledger"):
        numbers = [line["seq"] for line in hooked.lines(name, kind)]
        assert numbers == sorted(set(numbers)), (kind, numbers)
    for op in ("start", "end"):
        counts = Counter((run["job_id"], run["restart"]) for run in hooked.runs(name, op))
        assert not [key for key, count in counts.items() if count > 1]
    records = Counter(event["kernel_seq"] for event in hooked.events(name, "xid"))
    assert not [seq for seq, count in records.items() if count > 1]


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.soak), pytest.param(3, marks=pytest.mark.soak)]
)
def test_hooks_killed_at_random_harm_no_job_and_lose_no_line(hooked: Hooked, seed: int) -> None:
    lines = 0
    with Killer(hooked.base, seed) as killer:
        job = hooked.slurm.sbatch("sleep 0.2", f"--array=1-{TASKS}", "--gres=gpu:1")
        while hooked.slurm.ask("squeue", "--noheader"):
            for name in hooked.slurm.nodes:
                hooked[name].says(lines % 8, 31, f"pid=1, name=x, Ch {lines:08x}")
                hooked.run(name, "health")
            lines += 1
    assert killer.killed > TASKS / 3
    told = hooked.slurm.scontrol("show", "job", "-o", str(job))
    assert told.count("JobState=COMPLETED") == TASKS, told
    hooked.slurm.wait_nodes()
    hooked.health()
    assert hooked.reasons() == {}
    for name in hooked.slurm.nodes:
        sound(hooked, name)
        assert len(hooked.events(name, "xid")) == lines
    after = hooked.slurm.sbatch("true", "--gres=gpu:1", f"--nodelist={NODE}")
    hooked.wait_end(NODE, after)
    hooked.wait_gone(NODE, after)
    assert all("ended with" in line for lines in hooked.logs().values() for line in lines)


def killed(hooked: Hooked, hook: str, environ: dict[str, str], call: str, number: int) -> None:
    """Run a launcher so that every process of it dies before its N-th call of that kind."""
    tree = hooked[NODE].node
    subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:signal=SIGKILL:when={number}", tree.libexec / hook],
        env={"AAMI_ROOT": str(tree.root), "SLURMD_NODENAME": NODE, **environ},
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60, cwd="/",
    )  # fmt: skip


def orphans(hooked: Hooked) -> None:
    """Wait until what a killed hook left behind has ended by itself: it has a timer for that."""
    mark = os.fsencode(hooked.base)

    def none() -> bool:
        return not any(
            mark in (path / "cmdline").read_bytes()
            for path in Path("/proc").glob("[0-9]*")
            if (path / "cmdline").exists()
        )

    def quiet() -> bool:
        with contextlib.suppress(OSError):
            return none()
        return False

    hooked.until(quiet, "orphans to end", timeout=60)


@pytest.mark.parametrize(
    "steps", [pytest.param(QUICK, id="few"), pytest.param(EVERY, id="many", marks=pytest.mark.soak)]
)
def test_hooks_killed_before_their_system_calls_lose_and_double_nothing(
    hooked: Hooked, steps: list[tuple[str, int]]
) -> None:
    if shutil.which("strace") is None:
        unavailable("strace is not installed")
    lines = 0
    for job, (call, number) in enumerate(steps, 1):
        told = job_environment(job, str(job % 8), SLURM_CLUSTER_NAME=hooked.slurm.name)
        over = {**told, "SLURM_JOB_EXIT_CODE2": "0:0"}
        for hook, environ in (("prolog", told), ("health", {}), ("epilog", over)):
            hooked[NODE].says(job % 8, 31, f"pid=1, name=x, Ch {lines:08x}")
            lines += 1
            killed(hooked, hook, environ, call, number)
            assert hooked.run(NODE, hook, environ) == 0
        case = f"{call} {number}"
        sound(hooked, NODE)
        assert len([run for run in hooked.runs(NODE, "start") if run["job_id"] == job]) == 1, case
        assert len([run for run in hooked.runs(NODE, "end") if run["job_id"] == job]) == 1, case
        assert len(hooked.events(NODE, "xid")) == lines, case
        assert f'job_id="{job}"' not in hooked[NODE].node.metrics(), case
    orphans(hooked)
    assert hooked.reasons() == {}


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([("fdatasync", 2), ("execve", 2), ("write", 4)], id="few"),
        pytest.param(
            [(call, number) for call, number in EVERY if number < 10], id="many", marks=pytest.mark.soak
        ),
    ],
)
def test_a_drain_whose_hook_was_killed_is_made_once_in_the_end(
    hooked: Hooked, steps: list[tuple[str, int]]
) -> None:
    if shutil.which("strace") is None:
        unavailable("strace is not installed")
    for turn, (call, number) in enumerate(steps, 1):
        hooked.lose(NODE, turn % 8)
        killed(hooked, "health", {}, call, number)
        orphans(hooked)
        hooked.health(NODE)
        case = f"{call} {number}"
        told = hooked.ours()
        assert {name: one.gpu for name, one in told.items()} == {NODE: turn % 8}, case
        assert len(hooked.events(NODE, "xid")) == turn, case
        sound(hooked, NODE)
        hooked.heal(NODE)
        hooked.slurm.scontrol("update", f"nodename={NODE}", "state=undrain")
        hooked.slurm.wait_nodes()
        hooked.health(NODE)
        assert hooked.slurm.node_states()[NODE] == "IDLE", case
