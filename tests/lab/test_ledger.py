"""Everything a lab run starts ends with it, also after a kill; and nothing else does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import ledger as ledgers
from tests.lab import mounts, processes
from tests.lab.ledger import LabError, LabUnavailable, Ledger, sweep
from tests.lab.processes import Identity
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE = Path(__file__).resolve().parent.parent.parent
SLEEP = ("sleep", "300")


@pytest.fixture(autouse=True)
def _own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "ROOT", tmp_path / "runs")
    monkeypatch.setattr(processes, "_PATIENCE", 0.3)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that no ledger has started."""
    process = subprocess.Popen(SLEEP, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def _identity(pid: int) -> Identity:
    found = Identity.of(pid)
    assert found is not None
    return found


def test_a_closed_run_leaves_no_process_and_no_folder() -> None:
    with Ledger("run") as ledger:
        process = ledger.start(SLEEP, log="log")
        assert process.poll() is None
    assert process.poll() is not None
    assert not ledger.folder.exists()


def test_a_process_that_ignores_the_polite_signal_is_killed() -> None:
    with Ledger("run") as ledger:
        stubborn = ledger.start(
            ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], log="log"
        )
        until(lambda: "ready" in ledger.tail("log"), "the trap", timeout=10, evidence=str)
    assert stubborn.returncode == -signal.SIGKILL


def test_a_daemon_that_forked_away_is_ended_by_the_mark_it_carries() -> None:
    with Ledger("run") as ledger:
        pid_file = ledger.folder / "pid"
        script = f"setsid sh -c 'echo $$ > {pid_file}; exec sleep 300' & exec true"
        ledger.start(["sh", "-c", script], log="log")
        text = until(lambda: pid_file.exists() and pid_file.read_text(), "its pid", timeout=10, evidence=str)
        daemon = _identity(int(text or 0))
        assert daemon.alive
    assert not daemon.alive


def test_a_child_that_dropped_its_environment_ends_with_its_parent() -> None:
    with Ledger("run") as ledger:
        pid_file = ledger.folder / "pid"
        script = f"env -i setsid sh -c 'echo $$ > {pid_file}; exec sleep 300' & wait"
        ledger.start(["sh", "-c", script], log="log")
        text = until(lambda: pid_file.exists() and pid_file.read_text(), "its pid", timeout=10, evidence=str)
        child = _identity(int(text or 0))
    assert not child.alive


def test_a_process_with_the_same_pid_but_another_start_is_left_alone(
    stranger: subprocess.Popen[bytes],
) -> None:
    with Ledger("run") as ledger:
        entry = {"kind": "process", "pid": stranger.pid, "started": 1, "stop": int(signal.SIGKILL)}
        with (ledger.folder / "ledger.jsonl").open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
    assert stranger.poll() is None


def test_processes_of_another_boot_are_left_alone(
    stranger: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "boot_id", lambda: "yesterday's")
    ledger = Ledger("run")
    ledger.adopt(stranger.pid)
    monkeypatch.undo()
    monkeypatch.setattr(ledgers, "ROOT", ledger.folder.parent)
    assert sweep() == [ledger.folder.name]
    assert stranger.poll() is None
    assert not ledger.folder.exists()


def test_a_person_s_shell_in_the_run_s_folder_is_left_alone() -> None:
    with Ledger("run") as ledger:
        environ = {**os.environ, "SLURM_CONF": str(ledger.folder / "slurm.conf")}
        shell = subprocess.Popen(SLEEP, env=environ, cwd=ledger.folder)
    try:
        assert shell.poll() is None
    finally:
        shell.kill()
        shell.wait()


def test_what_slurm_started_in_the_run_is_ended_without_the_mark() -> None:
    with Ledger("run") as ledger:
        environ = {"SLURM_CONF": str(ledger.folder / "slurm.conf"), "SLURMD_NODENAME": "gpu-001"}
        hook = subprocess.Popen(["/bin/sleep", "300"], env=environ, cwd="/")
    assert hook.wait(5) == -signal.SIGKILL


def test_sweeping_ends_what_a_killed_run_left_and_spares_the_living() -> None:
    code = (
        "import sys; from pathlib import Path; from tests.lab import ledger;"
        f"ledger.ROOT = Path({str(ledgers.ROOT)!r});"
        "run = ledger.Ledger('killed'); print(run.start(['sleep', '300'], log='log').pid, flush=True);"
        "sys.stdin.read()"
    )
    with Ledger("alive") as living:
        mine = living.start(SLEEP, log="log")
        owner = subprocess.Popen(
            [sys.executable, "-c", code], cwd=CLONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with owner:
            assert owner.stdout is not None
            orphan = _identity(int(owner.stdout.readline()))
            assert sweep() == []
            owner.kill()
        assert orphan.alive
        assert [name.partition("-")[0] for name in sweep()] == ["killed"]
        assert Identity.of(orphan.pid) != orphan
        assert mine.poll() is None
        assert list(ledgers.ROOT.iterdir()) == [living.folder]


def test_a_line_that_a_kill_tore_does_not_stop_the_rest() -> None:
    with Ledger("run") as ledger:
        process = ledger.start(SLEEP, log="log")
        with (ledger.folder / "ledger.jsonl").open("a") as stream:
            stream.write('{"kind": "proc')
    assert process.poll() is not None


def test_an_inner_run_ends_with_the_outer_one() -> None:
    with Ledger("outer") as outer:
        inner = outer.inner("inner")
        process = inner.start(SLEEP, log="log")
    assert process.poll() is not None
    assert not inner.folder.exists()


def test_steps_are_undone_newest_first(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with Ledger("run") as ledger:
        for word in ("first", "second"):
            ledger.undo("sh", "-c", f"echo {word} >> {told}")
    assert told.read_text().split() == ["second", "first"]


def test_a_failed_step_says_what_it_printed() -> None:
    with Ledger("run") as ledger, pytest.raises(LabError, match=r"ended with 3:\nno such thing"):
        ledger.run("sh", "-c", "echo no such thing >&2; exit 3")


def test_a_daemon_that_ended_early_shows_its_log() -> None:
    with Ledger("run") as ledger:
        daemon = ledger.start(["sh", "-c", "echo bad setting; exit 7"], log="log")
        daemon.wait(10)
        with pytest.raises(LabError, match=r"the daemon ended with 7:\nbad setting"):
            ledger.check(daemon, "the daemon", "log")


def test_a_root_that_anybody_can_write_is_refused() -> None:
    ledgers.ROOT.mkdir()
    ledgers.ROOT.chmod(0o777)
    with pytest.raises(LabUnavailable, match="can be written by anybody"):
        Ledger("run")
    with pytest.raises(LabUnavailable, match="can be written by anybody"):
        sweep()


@pytest.mark.lab
def test_mounts_and_namespaces_are_gone_afterwards() -> None:
    with Ledger("run") as ledger:
        target = ledger.folder / "tmp"
        ledger.mount("-t", "tmpfs", source="tmpfs", target=target)
        name = ledger.folder.name
        ledger.netns(name)
        assert mounts.below(ledger.folder) == [str(target)]
        assert Path("/run/netns", name).exists()
    assert mounts.below(ledger.folder) == []
    assert not Path("/run/netns", name).exists()


@pytest.mark.lab
def test_removing_a_folder_never_goes_through_a_mount(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    with Ledger("run") as ledger:
        target = ledger.folder / "view"
        target.mkdir()
        ledger.run("mount", "--bind", precious, target)  # mounted behind the ledger's back
        mounts.remove(ledger.folder)
        assert not target.exists()
    assert (precious / "file").read_text() == "kept"
