"""`aami-hpc init` as a person meets it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli import ordinary
from tests.cli.calls import aami, as_nobody, plain_environ, slurm_environ

if TYPE_CHECKING:
    from tests.lab.slurm import SlurmCluster


def test_init_then_config_check(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    done = aami("init", "--config", str(file))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Wrote {file}\n")
    assert f"aami-hpc config check --config {file}" in done.stdout
    checked = aami("config", "check", "--json", "--config", str(file))
    assert json.loads(checked.stdout)["valid"] is True
    again = aami("init", "--config", str(file))
    assert again.returncode == 25
    assert "--force" in again.stderr
    forced = aami("init", "--force", "--json", "--config", str(file))
    assert json.loads(forced.stdout)["previous"] == f"{file}.previous"


def test_interactive_asks_for_every_choice_and_shows_what_we_would_take(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "aami_hpc", "init", "-i", "--json", "--config", str(file)],
        input="mycluster\n" + "\n" * 8,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=plain_environ(),
    )
    assert done.returncode == 0, done.stderr
    choices = {choice["key"]: choice for choice in json.loads(done.stdout)["choices"]}
    assert choices["cluster.name"] == {"key": "cluster.name", "value": "mycluster", "source": "your answer"}
    assert "cluster.name (from " in done.stderr
    assert "storage.state_dir (from the default for this user) [" in done.stderr


def test_without_anybody_to_answer_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    assert aami("init", "-i", "--config", str(file)).returncode == 130
    assert not file.exists()


@pytest.mark.lab
def test_on_a_real_cluster_and_used_by_the_next_command(slurm_2205: SlurmCluster, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    environ = slurm_environ(slurm_2205)
    done = aami("init", "--json", "--config", str(file), **environ)
    assert json.loads(done.stdout)["slurm"] is True
    checked = aami("config", "check", "--live", "--json", "--config", str(file), PATH=environ["PATH"])
    assert json.loads(checked.stdout)["valid"] is True
    status = aami("status", "--json", "--config", str(file), PATH=environ["PATH"])  # no $SLURM_CONF any more
    assert status.returncode == 0, status.stdout
    data = json.loads(status.stdout)
    assert data["cluster"] == {"name": slurm_2205.name, "source": f"{file}:5"}
    assert data["configuration"] == [str(file)]


@pytest.mark.lab
def test_an_ordinary_user_gets_a_file_at_home() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.chown(home, ordinary.NOBODY, ordinary.NOBODY)
        done = as_nobody("init", "--json", environ={"HOME": str(home), "AAMI_CONFIG": ""})
        assert json.loads(done.stdout)["path"] == f"{home}/.config/aami-hpc/config.yaml"
        file = home / ".config/aami-hpc/config.yaml"
        assert (file.owner(), stat.S_IMODE(file.stat().st_mode)) == ("nobody", 0o640)
        assert f"state_dir: {home}/.local/state/aami-hpc" in file.read_text()
