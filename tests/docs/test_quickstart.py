"""docs/quickstart.md, replayed on a real head node with a real Slurm and real nodes."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import DOCS
from tests.docs.console import replay
from tests.lab.node_fixtures import MakeNodeLab

pytestmark = pytest.mark.lab


def test_the_quick_start(make_node_lab: MakeNodeLab) -> None:
    lab = make_node_lab(slurm=True, gpus=8)
    programs = shlex.quote(str(Path(sys.executable).parent))

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return lab.head.try_run(f"export PATH={programs}:$PATH; mkdir -p /etc/bash_completion.d; {command}")

    assert replay(DOCS / "quickstart.md", run) >= 10
