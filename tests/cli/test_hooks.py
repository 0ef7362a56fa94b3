"""`aami-hpc hooks` as people run it: streams, exit statuses, the question before many nodes, errors in one line."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aami_hpc.testing.sshd import ssh_node
from tests.actions.hooks_site import GPU, Site
from tests.cli.calls import REPOSITORY, aami, plain_environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ssh_node(ports=3) as server:
        yield Site(tmp_path, server)


def run(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    return aami("hooks", *arguments, "--config", str(site.config()), AAMI_ROOT=site.root)


def test_push_status_rollback_remove(site: Site) -> None:
    """The real tree, from the command line to the disks of three nodes and away again."""
    pushed = run(site, "push", "gpu-[001-003]", "--json")
    assert pushed.returncode == 0, pushed.stderr
    told = json.loads(pushed.stdout)
    assert {one["outcome"] for one in told["nodes"].values()} == {"pushed"}
    assert set(told) == {"generation", "content", "dry_run", "nodes", "groups", "skipped", "remarks"}
    again = run(site, "push", "gpu-[001-003]")
    assert again.returncode == 0
    assert "Unchanged: 3 of 3 nodes" in again.stdout
    shown = run(site, "status", "gpu-[001-003]")
    assert shown.returncode == 0, shown.stdout
    assert "gpu-[001-003]" in shown.stdout
    assert told["generation"] in shown.stdout
    site.hooks["gres_order"] = "minor"
    differs = run(site, "status", "gpu-[001-003]", "--json")
    assert differs.returncode == 1
    assert {one["outcome"] for one in json.loads(differs.stdout)["nodes"].values()} == {"outdated"}
    assert run(site, "push", "gpu-001").returncode == 0
    back = run(site, "rollback", "gpu-001")
    assert back.returncode == 0, back.stdout
    assert "1 of 1 nodes were switched to the generation before" in back.stdout
    gone = run(site, "remove", "gpu-[001-003]")
    assert gone.returncode == 0, gone.stdout
    assert "/var/lib/aami-hpc stays there" in gone.stdout
    assert run(site, "status", "gpu-[001-003]").returncode == 1


def test_many_nodes_need_their_number(site: Site) -> None:
    for name in ("gpu-004", "gpu-005"):
        site.at(name, int(name[-1]))
    asked = run(site, "push", "gpu-[001-005]")
    assert asked.returncode == 2
    assert "Push hooks to: 5 nodes need a confirmation" in asked.stderr
    assert run(site, "push", "gpu-[001-005]", "--yes=4").returncode == 2
    for verb in ("rollback", "remove"):
        assert run(site, verb, "gpu-[001-005]").returncode == 2
    assert run(site, "push", "gpu-[001-005]", "--dry-run").returncode == 1  # two can't be reached
    assert all(site.machine(name).names() == [] for name in GPU)


def test_a_person_types_the_number(site: Site) -> None:
    for name in ("gpu-004", "gpu-005"):
        site.at(name, int(name[-1]))
    argv = [
        sys.executable,
        "-m",
        "aami_hpc",
        "hooks",
        "push",
        "gpu-[001-005]",
        "--config",
        str(site.config()),
    ]
    for answer, status in ((b"4\n", 1), (b"5\n", 1)):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            env=plain_environ(AAMI_ROOT=site.root),
        ) as process:
            os.write(ours, answer)
            _, said = process.communicate(timeout=120)
        os.close(ours)
        os.close(theirs)
        assert process.returncode == status
        assert b"These are 5 nodes" in said
        assert bool(site.machine("gpu-001").names()) is (answer == b"5\n")


def test_remove_refuses_with_status_1(site: Site) -> None:
    site.slurm_says(ClusterName="alpha", Prolog="/usr/libexec/aami-hpc/prolog")
    refused = run(site, "remove", "gpu-001")
    assert refused.returncode == 1
    assert "Nothing was removed" in refused.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("push", "gpu-999"), 32, "error[unknown-node]"),
        (("push", "ALL"), 31, "error[node-set-syntax]"),
        (("rollback", "gpu-001", "--to", "yesterday"), 2, "error[usage]"),
        (("render", "/"), 2, "error[usage]"),
        (("render", "/proc/nothing"), 14, "error[storage]"),
        (("pull",), 2, "Did you mean 'push'?"),
    ],
)
def test_errors_are_one_line(site: Site, arguments: tuple[str, ...], status: int, words: str) -> None:
    ended = run(site, *arguments)
    assert ended.returncode == status, ended.stderr
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_render_makes_a_tree_that_runs(tmp_path: Path) -> None:
    made = aami("hooks", "render", str(tmp_path / "node"), "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert (tmp_path / "node/usr/lib/aami-hpc/current").readlink().name == told["generation"]
    ended = subprocess.run(
        [tmp_path / "node/usr/libexec/aami-hpc/prolog"],
        env={"AAMI_ROOT": str(tmp_path / "node")},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0


def test_every_command_has_an_example() -> None:
    for verb in ("render", "push", "status", "rollback", "remove"):
        shown = aami("hooks", verb, "--help")
        assert "Example: aami-hpc hooks" in shown.stdout
