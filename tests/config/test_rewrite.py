"""The configuration is rewritten whole, checked and locked, or not at all."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from aami_hpc.config.rewrite import rewrite, target
from aami_hpc.errors import ConfigInvalid, ConfigNotFound, StorageFault

if TYPE_CHECKING:
    from pathlib import Path


def test_the_version_before_is_kept_and_the_mode_is_tight(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("ssh: {user: a}\n")
    path.chmod(0o644)
    done = rewrite(path, lambda text: text.replace("a}", "b}"), {})
    assert path.read_text() == "ssh: {user: b}\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert done.before is not None
    assert done.before.read_text() == "ssh: {user: a}\n"


def test_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert rewrite(path, lambda text: f"{text}nodes: {{n1: {{gpus: 1}}}}\n", {}).before is None
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_would_be_wrong_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("nodes: {n1: {gpus: 1}}\ngroups: {rack: {r1: n1}}\n")
    with pytest.raises(ConfigInvalid, match=r"groups\.rack\.r1") as caught:
        rewrite(path, lambda text: text.replace("{n1: {gpus: 1}}", "{n2: {gpus: 1}}"), {})
    assert caught.value.cause == "Nothing was written"
    assert "{n1: {gpus: 1}}" in path.read_text()


def test_no_edit_is_lost_when_two_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("nodes:\n")

    def add(number: int) -> None:
        rewrite(path, lambda text: f"{text}  n{number}: {{gpus: 1}}\n", {})

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.read_text().splitlines()[1:]) == [f"  n{number}: {{gpus: 1}}" for number in range(8)]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="no file that can be written"):
        rewrite(tmp_path, lambda text: text, {})


def test_where_the_file_is(tmp_path: Path) -> None:
    assert target(tmp_path / "new.yaml", {}) == tmp_path / "new.yaml"
    assert target(None, {"AAMI_CONFIG": str(tmp_path / "env.yaml")}) == tmp_path / "env.yaml"
    with pytest.raises(ConfigNotFound, match="There is no folder"):
        target(tmp_path / "none" / "new.yaml", {})
