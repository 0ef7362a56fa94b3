"""`hooks render`: the tree of a node below a folder, runnable there, with and without a Slurm that answers."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.actions import hooks_render
from aami_hpc.config import load
from aami_hpc.errors import GenerationBroken, NodeSetSyntax, StorageFault, UnknownNode, UsageFault
from aami_hpc.io.run import SystemRunner
from aami_hpc.render.plain import to_text
from aami_hpc.testing import FakeClock
from tests.hooks.support import Machine, sources
from tests.slurm.commands import install, install_silent

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.actions.result import Result

KEYS = {"folder", "generation", "content", "changed", "node", "python", "files", "not_asked"}


def render(tmp_path: Path, text: str = "", **more: Any) -> Result:
    config = tmp_path / "config.yaml"
    config.write_text(f"slurm: {{bin_dir: {tmp_path / 'slurm'}, timeout: 30s}}\n{text}")
    settings = load(config, environ={"HOME": "/root"})
    more.setdefault("sources", sources(tmp_path / "sources"))
    result = hooks_render.run(settings, SystemRunner(), {}, more.pop("folder", tmp_path / "node"), **more)
    assert set(result.data) == KEYS
    json.dumps(result.data)
    return result


def test_the_tree_is_the_one_that_a_push_makes_and_it_runs(tmp_path: Path) -> None:
    install(tmp_path / "slurm")
    result = render(tmp_path, node="gpu-001")
    assert result.data["changed"]
    assert result.data["node"] == "gpu-001"
    machine = Machine(tmp_path / "node")
    assert machine.look().generation == result.data["generation"]
    assert machine.look().damage == ()
    assert machine.says() == "one"
    settings = json.loads((machine.root / "etc/aami-hpc/node.json").read_text())
    assert settings["cluster"] == "scene"
    assert {"nodes": "gpu-[001-005]", "gpus": 8} in settings["gres"]
    assert result.data["not_asked"] == []
    assert f"AAMI_ROOT={machine.root}" in to_text(result.document)


def test_the_same_again_changes_nothing_and_another_one_is_the_next_generation(tmp_path: Path) -> None:
    install(tmp_path / "slurm")
    first = render(tmp_path)
    assert first.data["node"] is None
    again = render(tmp_path, clock=FakeClock(datetime(2027, 1, 1, tzinfo=timezone.utc)))
    assert not again.data["changed"]
    assert again.data["generation"] == first.data["generation"]
    assert "Unchanged" in to_text(again.document)
    clock = FakeClock(datetime(2099, 1, 1, tzinfo=timezone.utc))
    other = render(tmp_path, "cluster: {name: beta}\n", clock=clock)
    assert other.data["changed"]
    assert Machine(tmp_path / "node").look().previous == (first.data["generation"],)
    assert render(tmp_path, "cluster: {name: beta}\n", node="gpu-002").data["node"] == "gpu-002"


def test_without_slurm_it_says_what_it_could_not_ask(tmp_path: Path) -> None:
    install_silent(tmp_path / "slurm")
    bare = render(tmp_path, node="anything")
    assert len(bare.data["not_asked"]) == 3
    assert bare.data["not_asked"][0].startswith("Slurm was not asked: Slurm's controller")
    told = json.loads((tmp_path / "node/etc/aami-hpc/node.json").read_text())
    assert (told["gres"], told["job_labels"]) == ([], ["partition"])
    with_nodes = render(tmp_path, "nodes: {'gpu-[1-2]': {gpus: 4}}\n", folder=tmp_path / "other")
    told = json.loads((tmp_path / "other/etc/aami-hpc/node.json").read_text())
    assert told["gres"] == [{"nodes": "gpu-[1-2]", "gpus": 4}]
    assert "GPUs are expected on the configuration's nodes only" in with_nodes.data["not_asked"]
    assert with_nodes.data["not_asked"][-1].startswith("No node's name was written")


def test_a_node_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    install(tmp_path / "slurm")
    with pytest.raises(UnknownNode):
        render(tmp_path, node="gpu-999")
    for odd in ("gpu-[001-002]", "ALL", "-x", ""):
        with pytest.raises(NodeSetSyntax):
            render(tmp_path, node=odd)
    assert not (tmp_path / "node").exists()


def test_the_machine_itself_is_no_folder_to_render_to(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="this machine itself"):
        render(tmp_path, folder=tmp_path / "../../../../../../..")


def test_a_tree_that_does_not_pass_its_own_test_is_an_error(tmp_path: Path) -> None:
    install_silent(tmp_path / "slurm")
    broken = sources(tmp_path / "sources", "bad", check="raise SystemExit(3)")
    with pytest.raises(GenerationBroken) as refused:
        render(tmp_path, sources=broken)
    assert refused.value.cause == "self-test: the tree's own test ended with 3"
    assert Machine(tmp_path / "node").names() == []


def test_a_folder_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    install_silent(tmp_path / "slurm")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFault):
        render(tmp_path, folder=tmp_path / "file" / "node")


@pytest.mark.slow
def test_our_own_tree_loads_and_its_launchers_end_well(tmp_path: Path) -> None:
    """The real code, on this machine's Python: what `make test` has instead of a node."""
    install(tmp_path / "slurm")
    result = render(tmp_path, node="gpu-001", sources=None)
    root = tmp_path / "node"
    environ = {"AAMI_ROOT": str(root), "SLURMD_NODENAME": "gpu-001", "PATH": os.environ["PATH"]}
    for launcher in ("prolog", "epilog", "health"):
        ran = subprocess.run(
            [root / "usr/libexec/aami-hpc" / launcher],
            env=environ,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran
    python = (root / "usr/lib/aami-hpc/current/python").read_text().strip()
    assert Machine(root, python).look().compiled
    assert result.data["files"] > 50
