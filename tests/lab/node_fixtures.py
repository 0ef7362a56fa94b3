"""pytest's way to the real nodes. A test that changes a shared lab puts it back: faults are `with` blocks.

Nodes boot in a second or two, so none is kept running longer than a module's tests need it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.lab.nodes import NodeLab
from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.lab.ledger import Ledger


class MakeNodeLab(Protocol):
    """Boots nodes that live as long as the test; the arguments are NodeLab's."""

    def __call__(self, **wishes: Any) -> NodeLab: ...


@pytest.fixture(scope="module")
def node_lab(lab_ledger: Ledger) -> Iterator[NodeLab]:
    """A head node and gpu001 to gpu003, without Slurm."""
    with contextlib.ExitStack() as stack:
        with lab():
            nodes = stack.enter_context(NodeLab(lab_ledger))
        yield nodes


@pytest.fixture(scope="module")
def node_lab_slurm(lab_ledger: Ledger) -> Iterator[NodeLab]:
    """The same with Slurm inside and eight fake GPUs in each; gpu002 calls itself `blade-17`."""
    with contextlib.ExitStack() as stack:
        with lab():
            wanted = NodeLab(lab_ledger, slurm=True, gpus=8, hostnames={"gpu002": "blade-17"})
            nodes = stack.enter_context(wanted)
        yield nodes


@pytest.fixture
def make_node_lab(lab_ledger: Ledger) -> Iterator[MakeNodeLab]:
    """Nodes of a test's own."""
    with contextlib.ExitStack() as stack:

        def make(**wishes: Any) -> NodeLab:
            with lab():
                return stack.enter_context(NodeLab(lab_ledger, **wishes))

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """What a test finds only while it runs, such as no loop devices, is a skip as loud as a fixture's."""
    with lab():
        return (yield)
