"""The same work on the oldest interpreter that compute nodes have, and what it loads."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.record.support import PACKAGES, Memory, check_lines, inventory, xid
from tests.xid.test_node_side import old_pythons

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import json, sys
sys.path[:0] = sys.argv[1].split(":")
from aami_slurm import kernel_log, repair, textfile
from aami_slurm.book import Book
from aami_slurm.clock import Clock
from aami_slurm.job import JobRun
from aami_slurm.places import Places
from aami_slurm.settings import Settings

places, stock = Places(sys.argv[2]), json.loads(sys.argv[4])
job = JobRun({"SLURM_JOB_ID": "7", "SLURM_JOB_USER": "alice"})
book = Book(places, Clock(), "gpu-001", "lab", sys.argv[3])
with book.open(1):
    repair.repair(book, places)
    book.start_run(job, [dict(stock["gpus"][3])])
    new = kernel_log.take(book, sys.argv[2] + "/kmsg", stock).new
    book.note_hook("prolog", 0.1)
    book.commit()
with book.open(1):
    book.end_run(job, "0:9")
    book.event("check", check="xid")
    book.commit()
    text = textfile.render(book.state, stock, Settings({}), 0)
print(json.dumps([[event["kind"] for event in new], text.splitlines()[2]]))
"""
HOT = """
import sys
sys.path[:0] = sys.argv[1].split(":")
from aami_slurm import kernel_log, textfile
from aami_slurm.book import Book
from aami_slurm.clock import Clock
from aami_slurm.job import JobRun
from aami_slurm.places import Places
from aami_slurm.settings import Settings
places = Places(sys.argv[2])
with Book(places, Clock(), "gpu-001", "lab", sys.argv[3]).open(1) as book:
    book.start_run(JobRun({"SLURM_JOB_ID": "7"}), [])
    kernel_log.take(book, sys.argv[2] + "/kmsg", None)
    book.commit()
    textfile.write(places, Settings({}), textfile.render(book.state, None, Settings({}), 0))
print(*sys.modules)
"""
HEAVY = {
    "aami_xid", "argparse", "collections", "contextlib", "dataclasses", "functools", "json", "logging", "pathlib", "pwd", "re", "socket",
    "subprocess", "tempfile", "threading", "typing",
}  # fmt: skip


def run(python: str, script: str, memory: Memory, *more: str) -> str:
    done = subprocess.run(
        [python, "-I", "-S", "-B", "-c", script, ":".join(PACKAGES), memory.root, memory.boot_id, *more],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("old", [True, False])
def test_the_whole_of_it(tmp_path: Path, *, old: bool) -> None:
    python = next(old_pythons(), None) if old else sys.executable
    if python is None:
        pytest.skip(
            "NO PYTHON 3.6 ON THIS MACHINE: what runs on compute nodes was not tried on the oldest one"
        )
    memory = Memory(tmp_path)
    memory.says(xid(3, 31), "NVRM: Xid 79: x[1]: segfault at 0", "eth0: link up")
    kinds, sample = json.loads(run(python, SCRIPT, memory, json.dumps(inventory())))
    assert kinds == ["xid", "unattributed"]
    assert sample.startswith('aami_gpu_xid_events_total{gpu="3",')
    assert [event["kind"] for event in memory.events()] == ["xid", "unattributed", "check"]
    assert [entry["op"] for entry in memory.entries()] == ["boot", "start", "end"]
    check_lines(memory)


@pytest.mark.parametrize("old", [True, False])
def test_a_quiet_prolog_loads_nothing_heavy(tmp_path: Path, *, old: bool) -> None:
    python = next(old_pythons(), None) if old else sys.executable
    if python is None:
        pytest.skip(
            "NO PYTHON 3.6 ON THIS MACHINE: what runs on compute nodes was not tried on the oldest one"
        )
    memory = Memory(tmp_path)
    memory.says(*["eth0: link up"] * 100)
    assert not HEAVY & set(run(python, HOT, memory).split())
