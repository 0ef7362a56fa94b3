"""docs/aami-node.md, replayed on a node's tree with fake GPUs: one job that an Xid hit, one that runs."""

import shlex
import subprocess

from tests.aami_slurm.fixtures import MakeNode
from tests.aami_slurm.tree import job_environment
from tests.docs import DOCS
from tests.docs.console import replay


def test_the_examples_of_aami_node(make_node: MakeNode) -> None:
    node = make_node()
    node.node.run("prolog", job_environment(4711, "2,3"))
    node.says(3, 31, "pid=4242, name=python, Ch 00000008, intr 00000000. MMU Fault")
    node.node.run("epilog", job_environment(4711, "2,3", SLURM_JOB_EXIT_CODE2="1:0"))
    node.node.run("prolog", job_environment(4712, "4"))

    def run(command: str) -> subprocess.CompletedProcess[str]:
        program, *words = shlex.split(command)
        return subprocess.run(
            [node.node.root / "usr/bin" / program, *words],
            env={"AAMI_ROOT": str(node.node.root)}, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    assert replay(DOCS / "aami-node.md", run) == 6
