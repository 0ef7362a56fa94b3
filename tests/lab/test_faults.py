"""The lab's faults are real, and always undone: also after the process that made them is killed."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import faults
from tests.lab.ledger import LabError, Ledger, sweep
from tests.lab.waiting import until

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]


def test_a_process_in_d_state_survives_sigkill_until_the_thaw(lab_ledger: Ledger) -> None:
    with faults.frozen_file_system(lab_ledger) as system, faults.d_state_process(system) as process:
        assert faults.state(process.pid) == "D"
        process.kill()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert faults.state(process.pid) == "D"
        system.thaw()
        assert process.wait(10) == -signal.SIGKILL
    assert not system.path.exists()


def test_leaving_the_block_frees_the_process(lab_ledger: Ledger) -> None:
    with faults.frozen_file_system(lab_ledger) as system:
        with faults.d_state_process(system) as process:
            pid = process.pid
        assert faults.state(pid) == ""
        assert not system.frozen


def test_only_a_file_system_of_its_own_is_ever_frozen(lab_ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="would freeze the machine"):
        faults.FrozenFileSystem(lab_ledger, tmp_path).freeze()


def test_the_rest_of_the_machine_can_sync_meanwhile(lab_ledger: Ledger) -> None:
    with faults.frozen_file_system(lab_ledger) as system, faults.d_state_process(system):
        subprocess.run(["sync"], check=True, timeout=60)


_FREEZE_AND_WAIT = """
import time
from tests.lab import faults
from tests.lab.ledger import Ledger
with Ledger("killed") as ledger, faults.frozen_file_system(ledger) as system, faults.d_state_process(system) as process:
    print(process.pid, system.path, flush=True)
    time.sleep(300)
"""


def test_a_killed_run_leaves_nothing_frozen() -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", _FREEZE_AND_WAIT], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    with runner:
        assert runner.stdout is not None
        pid, path = runner.stdout.readline().split()
        runner.kill()
    assert faults.state(int(pid)) == "D"
    sweep()  # another run may be sweeping, too: it may have been faster
    faults.wait_for_state(int(pid), "")
    assert not Path(path).exists()
    assert path not in Path("/proc/self/mountinfo").read_text()
    images = subprocess.run(
        ["losetup", "--list", "--output=BACK-FILE"], capture_output=True, text=True, check=True
    )
    assert str(Path(path).parent) not in images.stdout


def test_a_full_disk_is_full(lab_ledger: Ledger) -> None:
    with faults.full_disk(lab_ledger) as path:
        assert os.statvfs(path).f_bavail == 0
        with pytest.raises(OSError, match="No space left") as caught:
            (path / "more").write_bytes(b"x" * 10_000)
        assert caught.value.errno == errno.ENOSPC
    assert not path.exists()


def test_a_read_only_file_system_can_be_read_and_not_written(lab_ledger: Ledger) -> None:
    with faults.read_only(lab_ledger) as path:
        assert (path / "file").read_text() == "old"
        with pytest.raises(OSError, match="Read-only") as caught:
            (path / "file").write_text("new")
        assert caught.value.errno == errno.EROFS


def test_a_hung_port_takes_many_connections_and_answers_none() -> None:
    with faults.hung_port() as port:
        callers = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
        for caller in callers:
            caller.sendall(b"anybody there?")
            caller.settimeout(0.01)
            with pytest.raises(TimeoutError):
                caller.recv(1)
            caller.close()


def test_a_refusing_port_refuses_and_is_taken() -> None:
    with faults.refusing_port() as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=10)
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))


def test_a_hung_process_stands_still_and_goes_on(lab_ledger: Ledger) -> None:
    process = lab_ledger.start(["sleep", "300"], log="sleep.log")
    try:
        with faults.hung_process(lab_ledger, process.pid):
            assert faults.state(process.pid) == "T"
        faults.wait_for_state(process.pid, "S")
    finally:
        lab_ledger.end(process.pid)


def test_a_hung_server_is_one_that_connects_and_does_not_answer(lab_ledger: Ledger) -> None:
    server = lab_ledger.start([sys.executable, "-c", _ECHO], log="echo.log")
    try:
        port = int(until(lambda: lab_ledger.tail("echo.log").strip(), "its port", timeout=30, evidence=str))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
            caller.sendall(b"1")
            assert caller.recv(1) == b"1"
            with faults.hung_process(lab_ledger, server.pid):
                caller.sendall(b"2")
                caller.settimeout(0.5)
                with pytest.raises(TimeoutError):
                    caller.recv(1)
            caller.settimeout(10)
            assert caller.recv(1) == b"2"
    finally:
        lab_ledger.end(server.pid)


_ECHO = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
caller, _ = server.accept()
while True:
    caller.sendall(caller.recv(1))
"""
