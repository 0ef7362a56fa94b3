"""`hooks doctor` as a person meets it: nobody, with no configuration; what it prints, and how it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aami_hpc.cli.hooks_doctor import command
from tests.cli.calls import REPOSITORY, plain_environ, slurm_environ
from tests.cli.ordinary import NOBODY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.lab.slurm import SlurmCluster

# Everything is imported before: root's own interpreter may be out of nobody's sight.
_RUN = """
import os, sys
import aami_hpc.actions.hooks_doctor, aami_hpc.config, aami_hpc.render.plain, json
from aami_hpc.cli.context import App
from aami_hpc.cli.ending import ended
from aami_hpc.cli.hooks_doctor import command
aami_hpc.config.load(environ={})
uid = int(sys.argv.pop(1))
if uid:
    os.setgroups([]), os.setgid(uid), os.setuid(uid)
app = App()
with ended(app), command.make_context("doctor", sys.argv[1:], obj=app) as context:
    command.invoke(context)
"""
_CHANGES = re.compile(
    r"^(mkdir|mknod|unlink|rmdir|rename|link|symlink|chmod|chown|truncate)|O_WRONLY|O_RDWR|O_CREAT"
)


def doctor(
    *arguments: str, environ: Mapping[str, str] | None = None, uid: int = NOBODY, before: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    unset = {"AAMI_CONFIG": ""}
    return subprocess.run(
        [*before, sys.executable, "-c", _RUN, str(uid), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=REPOSITORY,
        env={**plain_environ(**(environ or {})), **unset},
    )


@pytest.mark.lab
def test_as_nobody_with_no_configuration(slurm_2205: SlurmCluster) -> None:
    before = slurm_2205.conf.read_bytes()
    done = doctor("--json", environ=slurm_environ(slurm_2205))
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    data = json.loads(done.stdout)
    levels = {one["name"]: one["level"] for one in data["findings"]}
    assert levels["hook-timeout"] == "problem"
    assert levels["prolog-flags"] == "ok"
    assert data["slurm"]["version"] == slurm_2205.version
    assert data["nodes"]["asked"] == ""
    assert data["proposal"]["safe"] is False
    assert data["proposal"]["lines"] == []
    assert slurm_2205.conf.read_bytes() == before


@pytest.mark.lab
def test_it_writes_its_own_copy_and_nothing_else(slurm_2205: SlurmCluster, tmp_path: Path) -> None:
    scratch = slurm_2205.layout.base / "scratch"  # pytest's own folder is closed to nobody
    scratch.mkdir()
    scratch.chmod(0o777)
    trace = tmp_path / "trace"
    strace = ("strace", "-f", "-y", "-e", "trace=%file,%network", "-s", "300", "-o", str(trace))
    done = doctor("--json", before=strace, environ={**slurm_environ(slurm_2205), "TMPDIR": str(scratch)})
    assert done.returncode == 1, done.stderr
    calls = [line.partition(" ")[2].strip() for line in trace.read_text(errors="replace").splitlines()]
    changed = [
        call for call in calls if _CHANGES.search(call) and "/dev/null" not in call and " = -1 " not in call
    ]
    assert changed, "a copy of slurm.conf was written"
    assert [call for call in changed if str(scratch) not in call] == []
    scratch.rmdir()
    assert not [call for call in calls if "sin_port=htons(22)" in call], "nobody was connected to over SSH"


@pytest.mark.lab
def test_no_problem_ends_with_0(slurm_2205: SlurmCluster) -> None:
    slurm_2205.reconfigure(PrologEpilogTimeout="60")
    done = doctor(environ=slurm_environ(slurm_2205))
    assert done.returncode == 0, done.stdout
    assert "No problem" in done.stdout
    assert "No line yet" in done.stdout
    assert "docs/hooks.md#launcher" in done.stdout


@pytest.mark.lab
def test_a_controller_that_is_down_is_an_error_of_its_own(slurm_2205: SlurmCluster) -> None:
    slurm_2205.stop_controller()
    done = doctor(environ=slurm_environ(slurm_2205))
    assert done.returncode == 42
    assert "error[slurm-unreachable]" in done.stderr


def test_no_slurm_is_an_error_of_its_own(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"slurm: {{bin_dir: {tmp_path}}}\n")
    done = doctor("--config", str(config), uid=0)
    assert done.returncode == 41
    assert "error[slurm-not-found]" in done.stderr


def test_the_help_says_what_it_does() -> None:
    done = doctor("--help", uid=0)
    assert done.returncode == 0
    for words in (
        "[RANGE]",
        "Example: aami-hpc hooks doctor",
        "scontrol show config",
        "Nothing is ever written",
    ):
        assert words in " ".join(done.stdout.split())
    assert command.name == "doctor"
