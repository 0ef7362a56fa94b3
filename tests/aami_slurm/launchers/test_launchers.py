"""The sh launchers: whatever is broken behind them, a job runs; only our own word 78 keeps it away."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.aami_slurm.tree import CONF, NodeTree

HOOKS = ("prolog", "epilog", "health")
SHELLS = [shell for shell in ("/bin/dash", "/bin/bash", "/bin/busybox") if Path(shell).exists()]


@pytest.fixture
def tree(tmp_path: Path) -> NodeTree:
    made = NodeTree(tmp_path / "node")
    (made.root / "run/aami-hpc").mkdir()
    return made


def behind(tree: NodeTree, source: str) -> None:
    """Put other code where run.py is."""
    (tree.tree / "run.py").write_text(source)


@pytest.mark.parametrize("hook", HOOKS)
def test_78_alone_becomes_1_and_says_why(tree: NodeTree, hook: str) -> None:
    behind(tree, "print('aami: xid79 on gpu3'); raise SystemExit(78)")
    done = tree.run(hook)
    assert (done.returncode, done.stdout) == (1, "aami: xid79 on gpu3\n")
    assert tree.log() == []


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    ("what", "source"),
    [
        ("status 1", "raise SystemExit(1)"),
        ("status 77", "raise SystemExit(77)"),
        ("status 255", "raise SystemExit(-1)"),
        ("SyntaxError", "def ("),
        ("ModuleNotFoundError", "import aami_nothing"),
        ("exception", "raise ValueError('x')"),
        ("SIGKILL", "import os; os.kill(os.getpid(), 9)"),
        ("SIGSEGV", "import os; os.kill(os.getpid(), 11)"),
        ("SIGTERM", "import os; os.kill(os.getpid(), 15)"),
    ],
)
def test_everything_else_lets_the_job_run_with_one_line(
    tree: NodeTree, hook: str, what: str, source: str
) -> None:
    behind(tree, source)
    done = tree.run(hook)
    assert (done.returncode, done.stdout) == (0, "")
    assert len(tree.log()) == 1
    assert tree.log()[0].startswith(f"<12>aami-hpc: {hook}: {tree.python} ended with ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("hook", HOOKS)
def test_a_missing_tree_lets_the_job_run(tree: NodeTree, hook: str) -> None:
    (tree.root / "usr/lib/aami-hpc/current").unlink()
    done = tree.run(hook)
    assert (done.returncode, done.stdout) == (0, "")
    assert tree.log() == [
        f"<12>aami-hpc: {hook}: no code at {tree.root}/usr/lib/aami-hpc/current: nothing was checked"
    ]


def test_an_interpreter_that_is_gone_is_replaced_by_another(tree: NodeTree) -> None:
    (tree.tree / "python").write_text("/nowhere/python3\n")
    behind(tree, "import sys; print(sys.executable); raise SystemExit(78)")
    done = tree.run("prolog")
    assert done.returncode == 1
    assert done.stdout.startswith("/usr/")


@pytest.mark.parametrize("where", ["no run folder", "a file where the run folder should be"])
def test_a_line_that_can_not_be_written_changes_nothing(tree: NodeTree, where: str) -> None:
    (tree.root / "run/aami-hpc").rmdir()
    if where.startswith("a file"):
        (tree.root / "run/aami-hpc").write_text("")
    behind(tree, "raise SystemExit(3)")
    done = tree.run("prolog")
    assert done.returncode == 0
    assert "ended with 3" in done.stderr


def test_settings_that_can_not_be_read_let_the_job_run(tree: NodeTree) -> None:
    for text in ("", "{", '{"schema": "aami.node/99"}', "[]", '{"schema": "aami.node/1", "slurm": 7}'):
        (tree.tree / "node.json").write_text(text)
        done = tree.run("prolog", {"SLURM_JOB_ID": "1"})
        assert (done.returncode, done.stdout) == (0, ""), text
        assert "node.json" in tree.log()[-1]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["prolog", "epilog", "health", "aami-node", "aami-prolog", "aami-epilog"])
def test_every_posix_shell_takes_the_launchers(shell: str, name: str) -> None:
    shell_command = [shell, "sh"] if shell.endswith("busybox") else [shell]
    assert subprocess.run([*shell_command, "-n", CONF / name], check=False).returncode == 0


def test_the_three_launchers_differ_in_their_name_only() -> None:
    texts = [
        [line for line in (CONF / hook).read_text().splitlines()[2:] if not line.startswith("hook=")]
        for hook in HOOKS
    ]
    assert texts[0] == texts[1] == texts[2]


class TestSiteLauncher:
    """What slurm.conf points to: it stands beside slurm.conf and outlives our tree."""

    def run(self, tmp_path: Path, *, site: str | None, ours: str | None) -> subprocess.CompletedProcess[str]:
        text = (CONF / "aami-prolog").read_text()
        mine = tmp_path / "ours"
        text = text.replace("/usr/libexec/aami-hpc/prolog", str(mine))
        if ours is not None:
            mine.write_text(f"#!/bin/sh\n{ours}\n")
            mine.chmod(0o755)
        if site is not None:
            (tmp_path / "site").write_text(f"#!/bin/sh\n{site}\n")
            (tmp_path / "site").chmod(0o755)
            text = text.replace("\nsite=\n", f"\nsite={tmp_path / 'site'}\n")
        launcher = tmp_path / "aami-prolog"
        launcher.write_text(text)
        launcher.chmod(0o755)
        return subprocess.run([launcher], env={}, capture_output=True, text=True, check=False)

    def test_absent_tree_is_0(self, tmp_path: Path) -> None:
        assert self.run(tmp_path, site=None, ours=None).returncode == 0

    def test_site_prolog_runs_first_and_its_failure_stays_a_failure(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, site="echo site; exit 3", ours="echo ours")
        assert (done.returncode, done.stdout) == (3, "site\n")

    def test_both_run(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, site="echo site", ours="echo ours")
        assert (done.returncode, done.stdout) == (0, "site\nours\n")

    @pytest.mark.parametrize(("status", "expected"), [(0, 0), (1, 1), (2, 0), (126, 0), (127, 0)])
    def test_only_1_of_ours_counts(self, tmp_path: Path, status: int, expected: int) -> None:
        assert self.run(tmp_path, site=None, ours=f"exit {status}").returncode == expected

    def test_a_broken_interpreter_of_ours_is_0(self, tmp_path: Path) -> None:
        self.run(tmp_path, site=None, ours="")
        (tmp_path / "ours").write_text("#!/nowhere/sh\n")
        assert (
            subprocess.run([tmp_path / "aami-prolog"], env={}, capture_output=True, check=False).returncode
            == 0
        )

    def test_it_has_five_working_lines(self) -> None:
        for name in ("aami-prolog", "aami-epilog"):
            lines = (CONF / name).read_text().splitlines()
            assert len([line for line in lines if line and not line.startswith("#")]) == 5
