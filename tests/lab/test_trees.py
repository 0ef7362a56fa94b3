"""Base trees are built once, whole or not at all, kept while fresh and dropped when nobody uses them.

A stand-in for debootstrap makes a small tree: what counts here is what happens around it. The real one builds
the trees that the clusters of the other tests run in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.lab import ledger as ledgers
from tests.lab import trees
from tests.lab.ledger import LabUnavailable, Ledger, sweep
from tests.lab.processes import Identity
from tests.lab.waiting import until

CLONE = Path(__file__).resolve().parent.parent.parent
TODAY = datetime.now(tz=timezone.utc).date()
BUILD = """#!/bin/sh
set -e
for target; do case $target in */.building-*) break;; esac; done
mkdir -p $target/var/cache/apt/archives $target/etc
echo "$*" > $target/etc/argv
touch $target/var/cache/apt/archives/one.deb
echo built >> $BUILT
"""
pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ledgers, "ROOT", tmp_path / "runs")
    monkeypatch.setattr(trees, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("BUILT", str(tmp_path / "built"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    _debootstrap(tmp_path, BUILD)
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def _debootstrap(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bin/debootstrap"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _built(tmp_path: Path) -> int:
    return len((tmp_path / "built").read_text().splitlines())


def _age(tree: trees.Tree, days: int) -> Path:
    """Give a tree the name it would have had some days ago, and let go of it."""
    day = f"{TODAY - timedelta(days=days):%Y%m%d}"
    old = tree.path.rename(tree.path.with_name(tree.path.name.replace(f"{TODAY:%Y%m%d}", day)))
    os.close(trees._in_use.pop(tree.path))
    return old


def test_a_tree_is_named_by_what_it_is_and_used_again(tmp_path: Path, cache: Path) -> None:
    tree = trees.ensure("sid", ["munge", "slurm-wlm"], name="test")
    assert tree.path.name.startswith(f"test-sid-{TODAY:%Y%m%d}-")
    assert "--include=munge,slurm-wlm" in (tree.path / "etc/argv").read_text()
    assert not list(tree.path.glob("var/cache/apt/archives/*.deb"))
    assert trees.ensure("sid", ["slurm-wlm", "munge"], name="test") == tree
    assert _built(tmp_path) == 1
    assert not list(cache.glob(".building-*"))


def test_other_packages_or_another_last_step_make_another_tree() -> None:
    one = trees.ensure("sid", ["munge"], name="test")
    two = trees.ensure("sid", ["munge", "python3"], name="test")
    assert one.path != two.path
    assert one.path.exists()


def test_a_moving_suite_is_stale_sooner(tmp_path: Path) -> None:
    for suite in ("sid", "trixie"):
        _age(trees.ensure(suite, ["munge"], name="test"), 8)
    assert trees.ensure("trixie", ["munge"], name="test").built == TODAY - timedelta(days=8)
    assert trees.ensure("sid", ["munge"], name="test").built == TODAY
    assert _built(tmp_path) == 3


def test_an_old_tree_goes_once_nobody_uses_it(tmp_path: Path) -> None:
    old = _age(trees.ensure("sid", ["munge"], name="test"), 9)
    code = (
        "import sys; from pathlib import Path; from tests.lab import trees;"
        f"trees._hold(Path({str(old)!r})); print('held', flush=True); sys.stdin.read()"
    )
    user = subprocess.Popen(
        [sys.executable, "-c", code], cwd=CLONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with user:
        assert user.stdout is not None
        user.stdout.readline()
        trees.ensure("sid", ["munge"], name="test")
        assert old.exists()
        user.kill()
    with Ledger("run") as ledger:
        layers = f"lowerdir={old},upperdir={ledger.folder}/u,workdir={ledger.folder}/w"
        for name in ("u", "w"):
            (ledger.folder / name).mkdir()
        ledger.mount("-t", "overlay", "-o", layers, source="overlay", target=ledger.folder / "view")
        trees.ensure("sid", ["munge"], name="test")
        assert old.exists()
    trees.ensure("sid", ["munge"], name="test")
    assert not old.exists()


def test_runs_side_by_side_build_once(tmp_path: Path) -> None:
    _debootstrap(tmp_path, BUILD.replace("set -e", "set -e; sleep 1"))
    code = (
        "from pathlib import Path; from tests.lab import ledger, trees;"
        f"ledger.ROOT = Path({str(ledgers.ROOT)!r}); trees.CACHE = Path({str(trees.CACHE)!r});"
        "print(trees.ensure('sid', ['munge'], name='test').path)"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code], cwd=CLONE, stdout=subprocess.PIPE) for _ in range(3)
    ]
    assert len({run.communicate()[0] for run in runs}) == 1
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert _built(tmp_path) == 1


def test_a_killed_build_leaves_nothing_usable(tmp_path: Path, cache: Path) -> None:
    _debootstrap(tmp_path, BUILD + "echo $$ > $BUILT.pid; sleep 300\n")
    code = (
        "from pathlib import Path; from tests.lab import ledger, trees;"
        f"ledger.ROOT = Path({str(ledgers.ROOT)!r}); trees.CACHE = Path({str(trees.CACHE)!r});"
        "trees.ensure('sid', ['munge'], name='test')"
    )
    pid_file = tmp_path / "built.pid"
    with subprocess.Popen([sys.executable, "-c", code], cwd=CLONE) as builder:
        pid = until(lambda: pid_file.exists() and pid_file.read_text(), "the build", timeout=20, evidence=str)
        builder.kill()
    orphan = Identity.of(int(pid or 0))
    assert orphan is not None
    assert list(cache.glob(".building-*"))
    _debootstrap(tmp_path, BUILD)
    tree = trees.ensure("sid", ["munge"], name="test")
    assert not orphan.alive
    assert sorted(path for path in cache.iterdir() if not path.name.endswith(".lock")) == [tree.path]
    assert sweep() == []


def test_a_failed_build_says_what_it_printed(tmp_path: Path, cache: Path) -> None:
    _debootstrap(tmp_path, "#!/bin/sh\necho E: no such suite; exit 1\n")
    with pytest.raises(LabUnavailable, match="E: no such suite"):
        trees.ensure("sid", ["munge"], name="test")
    assert [path.name for path in cache.iterdir() if not path.name.endswith(".lock")] == []


def test_an_old_tree_serves_where_no_newer_one_can_be_had(tmp_path: Path) -> None:
    old = _age(trees.ensure("sid", ["munge"], name="test"), 9)
    _debootstrap(tmp_path, "#!/bin/sh\necho E: no network; exit 1\n")
    tree = trees.ensure("sid", ["munge"], name="test")
    assert tree.path == old
    assert "E: no network" in tree.note
