"""Slurm does on every release what we rely on; what each did is handed to the page docs/slurm-behaviour.md."""

from __future__ import annotations

import contextlib
import json
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.ledger import LabUnavailable
from tests.lab.releases import Release
from tests.lab.require import lab, unavailable
from tests.soak.behaviour.bench import Bench
from tests.soak.behaviour.catalogue import NAMES
from tests.soak.behaviour.experiment import EXPERIMENTS, Experiment, Seen
from tests.soak.behaviour.page import PROPERTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.lab.ledger import Ledger

pytestmark = [pytest.mark.soak, pytest.mark.lab]


class Laboratory:
    """One cluster of each release. An experiment runs on all of them at once: most of its time is waiting."""

    def __init__(self, benches: list[Bench], early: list[Experiment], background: ThreadPoolExecutor) -> None:
        self.benches = benches
        self._early = {
            experiment.name: [background.submit(experiment.run, bench) for bench in benches]
            for experiment in early
        }

    def try_out(self, experiment: Experiment) -> dict[str, Future[Mapping[str, Any]]]:
        benches = self.benches[-1:] if experiment.once else self.benches
        futures = self._early.get(experiment.name)
        if futures is None:
            with ThreadPoolExecutor(len(benches)) as pool:
                futures = [pool.submit(_tried, experiment, bench) for bench in benches]
        return {bench.release: future for bench, future in zip(benches, futures, strict=True)}


def _tried(experiment: Experiment, bench: Bench) -> Mapping[str, Any]:
    try:
        return experiment.run(bench)
    finally:
        bench.reset()


@pytest.fixture(scope="module")
def laboratory(request: pytest.FixtureRequest, lab_ledger: Ledger) -> Iterator[Laboratory]:
    chosen = [
        item.callspec.params["name"]
        for item in request.session.items
        if hasattr(item, "callspec") and "name" in item.callspec.params
    ]
    early = [EXPERIMENTS[name] for name in NAMES if name in chosen and EXPERIMENTS[name].slow]
    with contextlib.ExitStack() as stack:
        background = stack.enter_context(ThreadPoolExecutor(max(1, len(early) * len(Release))))
        benches = []
        with lab():
            for release in Release:
                benches.append(Bench(lab_ledger, release))
                stack.enter_context(benches[-1].cluster)
                benches[-1].reset()
        yield Laboratory(benches, early, background)


@pytest.mark.parametrize("name", NAMES)
def test_slurm_does_what_we_rely_on(
    name: str, laboratory: Laboratory, request: pytest.FixtureRequest
) -> None:
    experiment = EXPERIMENTS[name]
    seen: dict[str, Seen] = {}
    failed: dict[str, str] = {}
    for release, future in laboratory.try_out(experiment).items():
        error = future.exception()
        if isinstance(error, LabUnavailable):
            unavailable(str(error))
        if error is None:
            seen[release] = dict(future.result())
        else:
            failed[release] = "".join(traceback.format_exception(error))
    versions = {bench.release: bench.cluster.version for bench in laboratory.benches}
    result = {"name": name, "versions": versions, "seen": seen}
    request.node.user_properties.append((PROPERTY, json.dumps(result)))  # goes into the JUnit report
    assert not failed, "\n".join(f"on {release}:\n{text}" for release, text in failed.items())
    unexpected = {release: experiment.unexpected(release, it) for release, it in seen.items()}
    assert not any(unexpected.values()), f"{experiment.title}: neither relied on nor known: {unexpected}"
