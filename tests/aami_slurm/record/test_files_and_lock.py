"""Files that are whole or not there, and locks that give up in time."""

from __future__ import annotations

import os
import signal
import stat
import time
from typing import TYPE_CHECKING

import pytest

from aami_slurm import lock
from aami_slurm.clock import Clock
from aami_slurm.files import make_folder, write_atomic
from tests.aami_slurm.record.support import Still

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in (b"old, and longer", b"new"):
        write_atomic(str(path), text)
        assert path.read_bytes() == text
    assert names(tmp_path) == ["file"]


def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomic(str(tmp_path / "file"), b"x", mode=0o644)
        make_folder(str(tmp_path / "a/b"), 0o750)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o750


@pytest.mark.parametrize("alone", [True, False])
def test_a_link_that_waits_beside_the_file_is_not_followed(tmp_path: Path, *, alone: bool) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (".file.new", f".file.{os.getpid()}.new"):
        (tmp_path / name).symlink_to(victim)
    write_atomic(str(tmp_path / "file"), b"x", alone=alone)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomic(str(path), b"x")
    assert names(tmp_path) == ["file"]


def test_a_lock_that_is_held_is_given_up_in_time(tmp_path: Path) -> None:
    path = str(tmp_path / "run/lock")
    clock = Still()
    with lock.held(path, 0, clock):
        before = clock.mono()
        with pytest.raises(lock.Busy, match="held by another process"), lock.held(path, 1.5, clock):
            pytest.fail("two held it")
        assert 1.5 <= clock.mono() - before < 1.6
    with lock.held(path, 0, clock):
        pass


def test_nobody_else_may_open_a_lock_and_so_hold_it(tmp_path: Path) -> None:
    with lock.held(str(tmp_path / "lock"), 0, Still()):
        assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_lock_goes_with_the_process_that_held_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        lock.held(path, 0, Clock()).__enter__()
        os.write(writer, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(reader, 1)
    with pytest.raises(lock.Busy), lock.held(path, 0.02, Clock()):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with lock.held(path, 0, Clock()):
        pass
    os.close(reader)
    os.close(writer)


def test_a_child_that_lives_longer_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with lock.held(path, 0, Clock()):
        assert len(lock.fds()) == 1
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
    try:
        assert lock.fds() == ()
        with lock.held(path, 0, Clock()):
            pass
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_lock_whose_file_was_removed_meanwhile_is_not_one(tmp_path: Path) -> None:
    """The waiting process gets the lock of a file without a name: it must take the new one's."""
    path = tmp_path / "lock"

    class Remover(Still):
        def sleep(self, seconds: float) -> None:
            if path.exists():
                path.unlink()
                first.__exit__()
            super().sleep(seconds)

    first = lock.held(str(path), 0, Clock())
    first.__enter__()
    with lock.held(str(path), 1, Remover()):
        assert path.exists()
        with pytest.raises(lock.Busy), lock.held(str(path), 0, Clock()):
            pass
