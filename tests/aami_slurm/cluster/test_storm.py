"""Sixty-four nodes lose a GPU in the same second: what goes out is what the rails allow, and all others run their jobs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from aami_slurm import rails
from tests.aami_slurm.cluster.hooked import STANDARD, Hooked
from tests.lab.releases import Release
from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab
NODES = 64
ALLOWED = rails.allowed(2, 0.05, NODES)
ALL = [Release.BOOKWORM, *(pytest.param(one, marks=pytest.mark.soak) for one in list(Release)[1:])]


@pytest.fixture(scope="module", params=ALL, ids=lambda release: release.value)
def hooked(request: pytest.FixtureRequest, lab_ledger: Ledger) -> Iterator[Hooked]:
    with lab(), Hooked(lab_ledger, release=request.param, nodes=NODES, policy=STANDARD) as made:
        made.health()  # it makes the inventories
        yield made


def test_no_more_go_out_than_the_rails_allow_and_the_rest_run_their_jobs(hooked: Hooked) -> None:
    """Prologs of one job on all of them and health on all of them, at once. Two cores do the work of 64 machines, so
    most hooks have no time to drain: health is then repeated until one had.
    """
    names = hooked.slurm.nodes
    for name in names:
        hooked.lose(name, 0)
    jobs = [hooked.slurm.sbatch("true", "--gres=gpu:1", "--exclusive", "--no-requeue") for _ in names]
    with ThreadPoolExecutor(NODES) as pool:
        done = list(pool.map(lambda name: hooked.run(name, "health"), names))
    assert set(done) == {0}
    for _ in range(3):
        if len(hooked.ours()) == ALLOWED:
            break
        hooked.health(*names[:8])
    hooked.until(
        lambda: not hooked.slurm.ask("squeue", "--noheader", "--states=R,CG,CF"), "the jobs to end", 120
    )
    ours = hooked.ours()
    assert 1 <= len(ours) <= ALLOWED, ours
    outcomes = {name: [event["outcome"] for event in hooked.events(name, "drain")] for name in names}
    for name in names:
        assert (name in ours) == (name in hooked.reasons()), hooked.reasons()
        if name in ours:
            assert "surplus" not in outcomes[name][-1:]
    ran = [job for job in jobs if hooked.slurm.job_state(job) == "COMPLETED"]
    assert len(ran) >= NODES - 2 * ALLOWED
    began = time.monotonic()
    hooked.health(*names[:6])  # and again: the rails hold
    assert time.monotonic() - began < 60
    assert set(hooked.ours()) == set(ours) or len(hooked.ours()) <= ALLOWED
    for name in names:
        assert len(hooked.events(name, "xid")) == 1
