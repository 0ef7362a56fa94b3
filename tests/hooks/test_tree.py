"""What a generation consists of: the same content gives the same sum, and every file of it is accounted for."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from aami_hpc.config.sections.hooks import HooksSection
from aami_hpc.errors import DamagedInstallation
from aami_hpc.hooks import tree
from aami_hpc.hooks.tree import Sources
from tests.hooks.support import TIME, generation, sources

if TYPE_CHECKING:
    from pathlib import Path


def test_the_name_tells_time_and_content(tmp_path: Path) -> None:
    made = generation(sources(tmp_path))
    assert made.name == f"20261120T133000Z-{made.content[:8]}"
    assert tree.NAME.fullmatch(made.name)
    assert json.loads(made.files["node.json"])["generation"] == made.name


def test_equal_content_has_an_equal_sum_whenever_it_was_made(tmp_path: Path) -> None:
    made, later = generation(sources(tmp_path)), generation(sources(tmp_path), 5)
    assert made.content == later.content
    assert made.name != later.name
    assert made.packed() == generation(sources(tmp_path)).packed()


def test_everything_that_makes_a_node_behave_changes_the_sum(tmp_path: Path) -> None:
    made = sources(tmp_path)
    found = {
        generation(made).content,
        generation(sources(tmp_path, "two")).content,
        generation(made, health="timer").content,
        generation(made, python="/opt/python3").content,
        tree.build({"schema": "aami.node/1", "cluster": "beta"}, HooksSection(), TIME, made).content,
    }
    assert len(found) == 5


def test_the_manifest_names_every_other_file_with_its_sum(tmp_path: Path) -> None:
    made = generation(sources(tmp_path), health="timer")
    manifest = json.loads(made.files["manifest.json"])
    assert (manifest["generation"], manifest["content"]) == (made.name, made.content)
    sums = {
        path: hashlib.sha256(data).hexdigest() for path, data in made.files.items() if path != "manifest.json"
    }
    assert manifest["files"] == sums
    with tarfile.open(fileobj=io.BytesIO(made.packed())) as archive:
        modes = {member.name: member.mode for member in archive}
    assert set(modes) == set(made.files)
    runs = {path for path, mode in modes.items() if mode == 0o755}
    assert runs == {"run.py", *(f"launchers/{name}" for name in tree.LAUNCHERS)}


def test_our_own_tree_holds_code_launchers_and_the_catalogue() -> None:
    made = tree.build({"schema": "aami.node/1"}, HooksSection(health="timer"), TIME)
    for path in (
        "aami_slurm/settings.py", "aami_slurm/checks/xid.py", "aami_xid/event.py", "aami_xid/data/codes.json",
        "aami_xid/data/catalog.json", "run.py", "launchers/prolog", "launchers/epilog", "launchers/health",
        "launchers/aami-node", "units/aami-health.service", "units/aami-health.timer",
    ):  # fmt: skip
        assert path in made.files, path
    assert not [path for path in made.files if "__pycache__" in path or path.endswith((".pyc", "py.typed"))]
    assert not [path for path in made.files if path.startswith("launchers/aami-") and "node" not in path]
    catalogue = json.loads(made.files["aami_xid/data/catalog.json"])
    assert catalogue["xid"]["79"]
    assert len(made.packed()) < 1_000_000


def test_a_missing_launcher_is_a_damaged_installation(tmp_path: Path) -> None:
    made = sources(tmp_path)
    (made.conf / "epilog").unlink()
    with pytest.raises(DamagedInstallation, match="epilog is missing"):
        generation(made)


def test_sources_are_found_in_a_clone() -> None:
    ours = Sources.ours()
    assert [package.name for package in ours.packages] == ["aami_slurm", "aami_xid"]
    assert (ours.conf / "run.py").is_file()
    assert (ours.units / "aami-health.timer").is_file()


def test_units_are_known_as_ours_by_their_first_words() -> None:
    from aami_slurm.receive_site import OURS, UNITS

    assert tuple(UNITS) == tree.UNITS
    for name in UNITS:
        assert (Sources.ours().units / name).read_bytes().startswith(OURS)
