"""`config set` on disk: checked before, written at once, kept, locked, and honest about who wins."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from aami_hpc.config import load, lock, places
from aami_hpc.config.change import set_value
from aami_hpc.errors import (
    AamiError,
    ConfigError,
    ConfigInvalid,
    ConfigNotFound,
    PermissionRefused,
    StorageFault,
)
from aami_hpc.io.files import previous
from tests.config.support import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.config.conftest import AsNobody

pytestmark = pytest.mark.slow

USER = ("ssh", "user")


@pytest.fixture
def main(tmp_path: Path) -> Path:
    return write(tmp_path / "config.yaml", "# ours\nssh:\n  user: root\n")


def test_a_value_is_written_and_the_version_before_kept(main: Path) -> None:
    main.chmod(0o600)
    done = set_value(main, USER, "admin", {})
    assert (done.path, done.line, done.before, done.literal) == (main, 3, previous(main), False)
    assert main.read_text() == "# ours\nssh:\n  user: admin\n"
    assert previous(main).read_text() == "# ours\nssh:\n  user: root\n"
    assert main.stat().st_mode & 0o777 == 0o640
    assert load(main, environ={}).ssh.user == "admin"


def test_a_new_file_is_made_where_one_is_looked_for_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "SYSTEM", tmp_path / "etc/aami-hpc/config.yaml")
    done = set_value(None, USER, "admin", {})
    assert done.before is None
    assert done.path.read_text() == "ssh:\n  user: admin\n"
    assert done.path.stat().st_mode & 0o777 == 0o640


def test_an_ordinary_user_gets_a_file_of_their_own(
    tmp_path: Path, as_nobody: AsNobody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "SYSTEM", tmp_path / "etc/aami-hpc/config.yaml")
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    with as_nobody(tmp_path):
        done = set_value(None, USER, "admin", {"HOME": str(home)})
    assert done.path == home / places.USER


def test_a_named_file_may_be_new_but_its_folder_must_be_there(tmp_path: Path) -> None:
    assert set_value(tmp_path / "new.yaml", USER, "admin", {}).before is None
    with pytest.raises(ConfigNotFound, match="There is no folder"):
        set_value(tmp_path / "folder/new.yaml", USER, "admin", {})


@pytest.mark.parametrize(
    ("parts", "value", "told"),
    [
        (("ssh", "port"), "x", "ssh.port must be a whole number, not text. Nothing was written."),
        (("ssh", "port"), "-1", "ssh.port must be at least 1. Nothing was written."),
        (("ssh", "connections"), "{a: 1}", "ssh.connections must be a whole number, not keys with values"),
        (("slurm",), "{timeot: 3s}", "slurm.timeot is not a key of the configuration. Nothing was written. Did you mean"),
        (("ssh", "key_passphrase"), "${NOPE}", "ssh.key_passphrase refers to the environment variable NOPE"),
        (("groups", "state", "down"), "gpu-1", "groups.state can't be set: at"),
    ],
)  # fmt: skip
def test_nothing_is_written_that_would_be_wrong(
    main: Path, parts: tuple[str, ...], value: str, told: str
) -> None:
    before = main.read_text()
    with pytest.raises(ConfigInvalid) as caught:
        set_value(main, parts, value, {})
    assert told in str(caught.value) or "groups" in parts
    assert main.read_text() == before
    assert not previous(main).exists()


def test_a_value_that_others_depend_on_is_not_taken_away(main: Path) -> None:
    main.write_text("nodes:\n  gpu-1: {gpus: 8}\ngroups: {rack: {r1: gpu-1}}\n")
    with pytest.raises(
        ConfigInvalid, match=r"nodes can't be set: at .*:2, groups.rack.r1 has the range gpu-1"
    ):
        set_value(main, ("nodes",), "{cpu-1: {gpus: 0}}", {})


def test_a_wrong_file_can_be_put_right_by_setting_the_wrong_value(main: Path) -> None:
    main.write_text("ssh:\n  port: x\n")
    set_value(main, ("ssh", "port"), "22", {})
    assert load(main, environ={}).ssh.port == 22


def test_a_drop_in_that_wins_is_named(main: Path) -> None:
    winner = write(main.parent / "config.d/10.yaml", "ssh:\n  user: other\n")
    with pytest.raises(ConfigError) as caught:
        set_value(main, USER, "admin", {})
    assert str(caught.value) == (
        f"ssh.user is set at {winner}:2, which wins over {main}. Nothing was written. Change it in {winner}."
    )
    assert "root" in main.read_text()
    with pytest.raises(ConfigError, match="wins over"):
        set_value(main, ("ssh",), "{user: admin}", {})
    set_value(main, ("ssh", "port"), "22", {})


def test_a_literal_secret_is_written_but_noticed(main: Path) -> None:
    assert set_value(main, ("ssh", "key_passphrase"), "hunter2", {}).literal
    assert not set_value(main, ("ssh", "key_passphrase"), "${X}", {"X": "hunter2"}).literal
    assert "hunter2" not in main.read_text()


def test_a_link_stays_a_link_and_its_drop_ins_count(tmp_path: Path) -> None:
    real = write(tmp_path / "real/config.yaml", "ssh: {user: root}\n")
    link = tmp_path / "etc/config.yaml"
    write(tmp_path / "etc/config.d/10.yaml", "cluster: {name: alpha}\n")
    link.symlink_to(real)
    set_value(link, USER, "admin", {})
    assert link.is_symlink()
    assert "admin" in real.read_text()
    with pytest.raises(ConfigError, match="wins over"):
        set_value(link, ("cluster", "name"), "beta", {})


@pytest.mark.parametrize("name", ["folder", "device"])
def test_what_is_no_file_is_not_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/null")
    with pytest.raises(StorageFault, match="is no file that can be written"):
        set_value(tmp_path / name, USER, "admin", {})


def test_a_folder_one_may_not_write_to(main: Path, as_nobody: AsNobody) -> None:
    main.chmod(0o644)
    with as_nobody(main.parent), pytest.raises(PermissionRefused):
        set_value(main, USER, "admin", {})


def test_the_wait_for_another_writer_ends(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        lock.locked(main),
        pytest.raises(StorageFault, match="Somebody else has been changing"),
        lock.locked(main, 0.2),
    ):
        pass
    with lock.locked(main, 0.2):
        pass
    guard = main.with_name(f".{main.name}.lock")
    guard.unlink()
    guard.symlink_to("/etc/passwd")
    with pytest.raises(AamiError), lock.locked(main):
        pass


SETTER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from aami_hpc.config.change import set_value
    path, label = Path(sys.argv[1]), sys.argv[2]
    print("ready", flush=True)
    for number in range(int(sys.argv[3])):
        set_value(path, ("nodes", "gpu-1", "labels", f"{label}{number}"), "x", {})
""")


def setter(path: Path, label: str, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SETTER, str(path), label, str(times)], stdout=subprocess.PIPE, text=True
    )


def test_two_writers_at_once_lose_nothing(main: Path) -> None:
    children = [setter(main, label, 6) for label in "abc"]
    for child in children:
        child.communicate(timeout=120)
        assert child.returncode == 0
    (entry,) = load(main, environ={}).nodes.entries
    assert set(entry.labels) == {f"{label}{number}" for label in "abc" for number in range(6)}
    assert main.read_text().startswith("# ours\nssh:\n  user: root\n")


def test_a_killed_writer_leaves_a_whole_file(main: Path) -> None:
    """Many times, at any moment of its work. The lock goes with the process."""
    chance = random.Random(7)
    for attempt in range(12):
        child = setter(main, f"a{attempt}-", 1000)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0.01, 0.25))
        child.kill()
        child.communicate()
        assert child.returncode == -signal.SIGKILL
        settings = load(main, environ={})
        assert settings.ssh.user == "root"
        assert main.read_text().startswith("# ours\n")
        if previous(main).exists():
            assert load(previous(main), environ={}).ssh.user == "root"
    set_value(main, USER, "admin", {})
    handle = os.open(main.with_name(f".{main.name}.lock"), os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)
