"""pytest's way into the Slurm lab: clusters as fixtures, and loud words about what could not be run."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.lab.ledger import Ledger, sweep
from tests.lab.releases import Release
from tests.lab.require import PREFIX, lab, unavailable
from tests.lab.slurm import SlurmCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSIONS = pytest.StashKey[dict[str, str]]()  # Slurm versions met in this session, and what to say of each
_LAB_LIMIT = 1200  # seconds for one test
_SHARED = ("slurm_2205", "slurm_release")  # clusters that several tests use, one after the other


class MakeSlurm(Protocol):
    """Starts a cluster that lives as long as the test; the arguments are SlurmCluster's."""

    def __call__(self, **wishes: Any) -> SlurmCluster: ...


@pytest.fixture(scope="session")
def lab_ledger() -> Iterator[Ledger]:
    """The session's own run: whatever tests start through it is gone at the end. Old runs' leftovers go first."""
    with lab():
        sweep()
        ledger = Ledger("tests")
    with ledger:
        yield ledger


@pytest.fixture(scope="session")
def slurm_2205(request: pytest.FixtureRequest, lab_ledger: Ledger) -> Iterator[SlurmCluster]:
    """Slurm 22.05 with three nodes of eight H100 each and no hooks. A test may change it: it is reset afterwards."""
    with lab(), SlurmCluster(lab_ledger) as cluster:
        _met(request, cluster)
        yield cluster


@pytest.fixture(scope="session", params=list(Release), ids=lambda release: release.value)
def slurm_release(request: pytest.FixtureRequest, lab_ledger: Ledger) -> Iterator[SlurmCluster]:
    """The same cluster on every release of the lab, one after the other."""
    with lab(), SlurmCluster(lab_ledger, release=request.param) as cluster:
        _met(request, cluster)
        yield cluster


@pytest.fixture
def make_slurm(request: pytest.FixtureRequest, lab_ledger: Ledger) -> Iterator[MakeSlurm]:
    """Clusters of a test's own."""
    with contextlib.ExitStack() as stack:

        def make(**wishes: Any) -> SlurmCluster:
            with lab():
                cluster = stack.enter_context(SlurmCluster(lab_ledger, **wishes))
            _met(request, cluster)
            return cluster

        yield make


@pytest.fixture(autouse=True)
def _shared_clusters_as_found(request: pytest.FixtureRequest) -> Iterator[None]:
    names = [name for name in _SHARED if name in request.fixturenames]
    clusters = [request.getfixturevalue(name) for name in names]
    yield
    for cluster in clusters:
        cluster.reset()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test that needs a base tree waits until it is built."""
    for item in items:
        if item.get_closest_marker("lab") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_LAB_LIMIT))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("lab") and os.geteuid() != 0:
        unavailable("needs root")


def _met(request: pytest.FixtureRequest, cluster: SlurmCluster) -> None:
    judged, note = cluster.installation.judged, cluster.installation.note
    remarks = [remark for remark in (judged.verdict if judged.verdict != "known" else "", note) if remark]
    request.config.stash.setdefault(_VERSIONS, {})[judged.version] = "; ".join(remarks)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the Slurm versions met, and every reason for which lab tests did not run."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = text.removeprefix("Skipped: ")
        if reason.startswith(PREFIX):
            reasons[reason.removeprefix(PREFIX)] += 1
    if reasons:
        terminalreporter.section("parts of the lab that this machine could not run", yellow=True, bold=True)
        for reason, number in reasons.most_common():
            terminalreporter.write_line(f"{number} skipped: {reason}", yellow=True)
    versions = sorted(config.stash.get(_VERSIONS, {}).items())
    if versions:
        terminalreporter.section("Slurm in the lab")
        for version, remark in versions:
            terminalreporter.write_line(f"Slurm {version}" + (f": {remark}" if remark else ""))
