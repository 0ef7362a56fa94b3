"""A lock that stays held and a disk that takes nothing cost no job its ledger entry: it is written later, with its time."""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.tree import job_environment
from tests.lab import faults

if TYPE_CHECKING:
    from tests.aami_slurm.cards import Cards
    from tests.lab.ledger import Ledger

ENDED = {"SLURM_JOB_EXIT_CODE2": "0:0"}


def left(node: Cards) -> int:
    return len(list((node.node.root / "run/aami-hpc/spool").glob("*.json")))


@pytest.mark.slow
def test_what_a_held_lock_kept_out_is_taken_in_by_the_next_hook(node: Cards) -> None:
    with (node.node.root / "run/aami-hpc/lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert node.node.run("prolog", job_environment(1001, "2,3")).returncode == 0
        assert node.node.run("epilog", job_environment(1001, "2,3", **ENDED)).returncode == 0
    assert "is kept for the next hook" in node.node.log()[0]
    assert left(node) == 2
    assert node.node.run("prolog", job_environment(1002, "4")).returncode == 0
    assert left(node) == 0
    lines = [line for line in node.node.lines("ledger") if line.get("job_id") == 1001]
    assert [line["op"] for line in lines] == ["start", "end"]
    assert [gpu["uuid"] for gpu in lines[0]["gpus"]] == [node.uuid(2), node.uuid(3)]
    assert lines[0]["start_mono_us"] < lines[1]["end_mono_us"]


def test_a_file_that_was_taken_in_and_not_removed_says_nothing_new(node: Cards) -> None:
    spool = node.node.root / "run/aami-hpc/spool"
    spool.mkdir()
    told = {"op": "start", "wall": 1.0, "mono": 1.0, "environ": job_environment(1001, "2")}
    assert node.node.run("prolog", job_environment(1001, "2")).returncode == 0
    (spool / "1-1.json").write_text(json.dumps(told))
    assert node.node.run("epilog", job_environment(1001, "2", **ENDED)).returncode == 0
    (spool / "1-1.json").write_text(json.dumps(told))
    (spool / "2-1.json").write_text("garbage")
    (spool / "3-1.json").write_text('{"op": "start", "wall": "x", "mono": [], "environ": 7}')
    node.node.run("health")
    assert [line["op"] for line in node.node.lines("ledger") if line.get("job_id") == 1001] == [
        "start",
        "end",
    ]
    assert (left(node), node.node.log()) == (0, [])


@pytest.mark.lab
def test_a_full_disk_keeps_no_job_and_loses_none(node: Cards, lab_ledger: Ledger) -> None:
    state = node.node.root / "var/lib/aami-hpc"
    with faults.full_disk(lab_ledger) as disk:
        state.rename(state.with_name("kept"))
        state.symlink_to(disk)
        assert node.node.run("prolog", job_environment(1001, "2")).returncode == 0
        state.unlink()
        state.with_name("kept").rename(state)
    assert left(node) == 1
    assert node.node.run("epilog", job_environment(1001, "2", **ENDED)).returncode == 0
    assert [line["op"] for line in node.node.lines("ledger") if line.get("job_id") == 1001] == [
        "start",
        "end",
    ]
