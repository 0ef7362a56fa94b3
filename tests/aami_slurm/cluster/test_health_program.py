"""Health as Slurm's HealthCheckProgram: at the start of slurmd, at each interval, over itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.cluster.hooked import Hooked
from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab
NODE = "gpu-001"
INTERVAL = 4


@pytest.fixture(scope="module")
def hooked(lab_ledger: Ledger) -> Iterator[Hooked]:
    with lab(), Hooked(lab_ledger, nodes=2, health_interval=INTERVAL) as made:
        yield made
        assert made.logs() == {}


def looked(hooked: Hooked) -> float:
    """When health ended last on the node, by its own word."""
    for line in hooked[NODE].node.metrics().splitlines():
        if line.startswith('aami_hook_last_run_timestamp_seconds{hook="health"}'):
            return float(line.split()[-1])
    return 0.0


def test_it_looks_at_the_start_of_slurmd_and_at_each_interval(hooked: Hooked) -> None:
    first = looked(hooked)
    assert first  # the nodes are idle since a moment ago: this was the start of slurmd
    hooked.until(lambda: looked(hooked) > first, "the next look")
    second = looked(hooked)
    hooked.until(lambda: looked(hooked) > second, "the one after it")
    assert looked(hooked) - second < 3 * INTERVAL
    [made] = [event for event in hooked.events(NODE, "inventory") if "generation" in event][:1]
    assert made["generation"] == 1
    assert 'outcome="fail"' not in hooked[NODE].node.metrics()
    assert hooked.reasons() == {}


def test_looks_that_overlap_end_at_once(hooked: Hooked) -> None:
    from dataclasses import replace

    hooked[NODE].put(replace(hooked[NODE].state, init_ms=6000))
    before = looked(hooked)
    hooked.until(lambda: looked(hooked) > before, "a look that is under way")
    before = looked(hooked)
    time.sleep(2 * INTERVAL + 1)
    hooked.heal(NODE)
    hooked.until(lambda: looked(hooked) > before, "the long look")
    assert hooked.reasons() == {}


def test_it_drains_an_idle_node_and_no_job_starts_there(hooked: Hooked) -> None:
    hooked.lose(NODE, 5)
    hooked.until(lambda: NODE in hooked.ours(), f"{NODE} to be drained")
    assert (hooked.ours()[NODE].code, hooked.ours()[NODE].gpu) == ("xid79", 5)
    job = hooked.slurm.sbatch("echo on $SLURMD_NODENAME", "--gres=gpu:1")
    hooked.slurm.wait_job(job)
    assert hooked.slurm.output(job) == "on gpu-002\n"
    assert hooked.runs(NODE, "start") == []


def test_a_fault_that_is_there_when_slurmd_starts_is_found_before_any_job(hooked: Hooked) -> None:
    """The look at slurmd's start comes before it registers; the drain stays as it is while slurmd is away."""
    other = "gpu-002"
    hooked.slurm.wait_nodes("IDLE", nodes=[other])
    hooked.slurm.stop_nodes(other)
    hooked.lose(other, 3)
    hooked.slurm._daemon(other, "slurmd", "-N", other)
    hooked.until(lambda: other in hooked.ours(), f"{other} to be drained")
    assert hooked.ours()[other].gpu == 3
