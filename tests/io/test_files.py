"""Files: whole or not at all, under kills, a full disk and refused rights."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aami_hpc.errors import StorageFault
from aami_hpc.io.files import previous, read_text, write_atomic

REPOSITORY = Path(__file__).parents[2]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners, which needs root")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def child(code: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
    """A process of its own that may be killed, with the product importable."""
    text = "import os, sys\nfrom pathlib import Path\nfrom aami_hpc.io.files import write_atomic\n" + code
    return subprocess.Popen([sys.executable, "-c", text, *map(str, arguments)], cwd=REPOSITORY)


# --- reading


def test_text_is_read_and_bad_bytes_are_shown(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\xffb")
    assert read_text(tmp_path / "f") == "a\ufffdb"


def test_a_file_up_to_the_limit_is_read_and_a_larger_one_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 2048)
    assert len(read_text(tmp_path / "f", limit=2048)) == 2048
    with pytest.raises(StorageFault, match=r"too large.*more than 1 KiB"):
        read_text(tmp_path / "f", limit=2047)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match=r"No such file.*Check the path\."):
        read_text(tmp_path / "missing")
    with pytest.raises(StorageFault, match="Name a file, not a folder"):
        read_text(tmp_path)


# --- writing


def test_a_new_file_has_the_text_and_the_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomic(tmp_path / "a/b/f", "text\n")
    finally:
        os.umask(before)
    assert (tmp_path / "a/b/f").read_text() == "text\n"
    assert mode(tmp_path / "a/b/f") == 0o640
    assert list((tmp_path / "a/b").iterdir()) == [tmp_path / "a/b/f"]


def test_an_existing_file_gets_the_mode_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o666)
    write_atomic(path, "new", mode=0o600)
    assert (path.read_text(), mode(path)) == ("new", 0o600)


@root_only
def test_owner_and_group_stay(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    os.chown(path, 12345, 23456)
    write_atomic(path, "new", keep_previous=True)
    for file in (path, previous(path)):
        assert (file.stat().st_uid, file.stat().st_gid) == (12345, 23456)


def test_the_version_before_is_kept_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for text in ("one", "two", "three"):
        write_atomic(path, text, mode=0o600, keep_previous=True)
    assert path.read_text() == "three"
    assert previous(path).read_text() == "two"
    assert mode(previous(path)) == 0o600
    assert sorted(tmp_path.iterdir()) == [path, previous(path)]


def test_a_first_write_has_nothing_to_keep(tmp_path: Path) -> None:
    write_atomic(tmp_path / "f", "one", keep_previous=True)
    assert not previous(tmp_path / "f").exists()


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "git").mkdir()
    link, target = tmp_path / "etc/config.yaml", tmp_path / "git/site.yaml"
    target.write_text("old")
    link.symlink_to("../git/site.yaml")
    write_atomic(link, "new", keep_previous=True)
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert previous(link) == tmp_path / "git/site.yaml.previous"
    assert previous(link).read_text() == "old"
    assert list((tmp_path / "etc").iterdir()) == [link]


def test_a_hard_link_elsewhere_keeps_the_old_text(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    os.link(tmp_path / "f", tmp_path / "backup")
    write_atomic(tmp_path / "f", "new")
    assert (tmp_path / "backup").read_text() == "old"


def test_a_folder_in_the_way_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "f/inside").mkdir(parents=True)
    with pytest.raises(StorageFault, match=f"Can't write {tmp_path / 'f'}.*Name a file"):
        write_atomic(tmp_path / "f", "new")
    assert list(tmp_path.iterdir()) == [tmp_path / "f"]


def test_a_file_where_a_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    with pytest.raises(StorageFault, match="Can't write"):
        write_atomic(tmp_path / "f/g", "new")
    assert (tmp_path / "f").read_text() == "old"


@root_only
def test_a_user_without_the_right_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    code = """
from aami_hpc.errors import PermissionRefused
os.setgid(65534); os.setuid(65534)
try:
    write_atomic(Path(sys.argv[1]), "new")
except PermissionRefused as error:
    sys.exit(0 if "with sudo" in error.hint else 2)
"""
    assert child(code, path).wait(60) == 0
    assert path.read_text() == "old"


# --- crashes

STEPS = ("tempfile.mkstemp", "os.rename")  # what Python tells an audit hook; a kill comes just before each


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("occurrence", [1, 2])
def test_a_kill_at_any_step_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, step: str, occurrence: int
) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    code = """
step, left = sys.argv[2], int(sys.argv[3])
def hook(event, arguments):
    global left
    if event == step:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
sys.addaudithook(hook)
write_atomic(Path(sys.argv[1]), "new", keep_previous=True)
"""
    assert child(code, path, step, str(occurrence)).wait(60) == -signal.SIGKILL
    assert path.read_text() == "old"
    assert previous(path).read_text() == "old" if previous(path).exists() else True
    write_atomic(path, "newer", keep_previous=True)
    assert (path.read_text(), previous(path).read_text()) == ("newer", "old")


def test_a_reader_never_sees_a_part_and_neither_does_a_kill(tmp_path: Path) -> None:
    path, size = tmp_path / "f", 300_000
    path.write_text("a" * size)
    code = f"""
while True:
    for letter in "ab":
        write_atomic(Path(sys.argv[1]), letter * {size}, keep_previous=True)
"""
    wanted = {"a" * size, "b" * size}
    for _ in range(3):
        writer = child(code, path)
        try:
            seen: set[str] = set()
            deadline = time.monotonic() + 60
            while seen != wanted and time.monotonic() < deadline:
                text = path.read_text()
                assert text in wanted
                seen.add(text)
        finally:
            writer.kill()
            writer.wait()
        assert seen == wanted, "the writer was at work"
        assert path.read_text() in wanted
        assert previous(path).read_text() in wanted


def test_a_write_that_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    code = """
import resource, signal
from aami_hpc.errors import StorageFault
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_atomic(Path(sys.argv[1]), "x" * 300_000, keep_previous=True)
except StorageFault as error:
    sys.exit(0 if "too large" in error.cause else 2)
"""
    assert child(code, path).wait(60) == 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
