"""A node for hook tests: the launchers and the code as they are installed, fake GPUs, a kernel log of its own."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.aami_slurm.cards import Cards
from tests.aami_slurm.tree import NodeTree

if TYPE_CHECKING:
    from collections.abc import Iterator


class MakeNode(Protocol):
    """A node with eight GPUs that health has looked at once. `settings` are node.json's."""

    def __call__(self, *, looked: bool = True, **settings: object) -> Cards: ...


@pytest.fixture
def make_node() -> Iterator[MakeNode]:
    folder = Path(tempfile.mkdtemp(prefix="aami-node-", dir="/var/tmp"))
    folder.chmod(0o755)
    made: list[NodeTree] = []

    def make(*, looked: bool = True, **settings: object) -> Cards:
        tree = NodeTree(folder / str(len(made)))
        made.append(tree)
        cards = Cards(tree).eight(**settings)
        if looked:
            assert tree.run("health").returncode == 0
            assert tree.log() == []
        return cards

    yield make
    shutil.rmtree(folder)


@pytest.fixture
def node(make_node: MakeNode) -> Cards:
    return make_node()
