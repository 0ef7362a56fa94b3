"""What holds the driver on purpose: root's tools and our own work count, a user's process of that name does not."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_slurm import maintenance, register
from aami_slurm.places import Places

if TYPE_CHECKING:
    from collections.abc import Sequence

STAT = "S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0"


@pytest.fixture
def node(tmp_path: Path) -> Places:
    """A node with a /proc of its own."""
    (tmp_path / "proc").mkdir()
    return Places(str(tmp_path))


def _process(node: Places, pid: int, argv: Sequence[str], *, uid: str = "0\t0\t0\t0", comm: str = "") -> Path:
    folder = Path(node.proc) / str(pid)
    folder.mkdir()
    name = comm or Path(argv[0]).name[:15]
    (folder / "comm").write_text(name + "\n")
    (folder / "status").write_text(f"Name:\t{name}\nUid:\t{uid}\nGid:\t0\t0\t0\t0\n")
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in argv))
    (folder / "stat").write_text(f"{pid} ({name}) {STAT}\n")
    return folder


BUSY = [
    (["/usr/bin/dcgmi", "diag", "-r", "3"], "dcgmi diag"),
    (["dcgmi", "--host", "localhost", "diag", "-r", "1"], "dcgmi diag"),
    (["nvidia-smi", "--gpu-reset", "-i", "3"], "nvidia-smi --gpu-reset"),
    (["/usr/bin/nvidia-smi", "-r"], "nvidia-smi --gpu-reset"),
    (["nvidia-smi", "-i", "0", "-r"], "nvidia-smi --gpu-reset"),
    (["nvidia-smi", "mig", "-cgi", "9,9", "-C"], "nvidia-smi mig"),
    (["nvidia-smi", "-i", "0", "-mig", "1"], "nvidia-smi mig"),
    (["nvidia-smi", "--multi-instance-gpu=1"], "nvidia-smi mig"),
    (["/usr/bin/nvidia-bug-report.sh"], "nvidia-bug-report.sh"),
    (["/bin/sh", "/usr/bin/nvidia-bug-report.sh", "--safe-mode"], "nvidia-bug-report.sh"),
    (["/usr/libexec/datacenter-gpu-manager-4/plugins/nvvs", "--specifiedtest"], "nvvs"),
]
IDLE = [
    ["nvidia-smi"],
    ["nvidia-smi", "--query-gpu=index", "--format=csv"],
    ["nvidia-smi", "mig"],
    ["dcgmi", "discovery", "-l"],
    ["nv-hostengine"],
    ["bash", "-c", "nvidia-bug-report.sh"],
    ["vim", "/usr/bin/nvidia-bug-report.sh"],
]


@pytest.mark.parametrize(("argv", "words"), BUSY, ids=lambda told: told if isinstance(told, str) else None)
def test_a_tool_that_root_runs_makes_the_driver_busy(node: Places, argv: list[str], words: str) -> None:
    _process(node, 123, argv)
    assert maintenance.busy(node) == f"{words} is running (process 123)"


@pytest.mark.parametrize("argv", IDLE, ids=" ".join)
def test_what_leaves_the_driver_alone_does_not(node: Places, argv: list[str]) -> None:
    _process(node, 123, argv)
    assert maintenance.busy(node) is None


@pytest.mark.parametrize("uid", ["1000\t1000\t1000\t1000", "1000\t0\t0\t0", "0\t1000\t0\t1000", "", "x"])
@pytest.mark.parametrize("argv", [argv for argv, _ in BUSY])
def test_a_users_process_of_that_name_changes_nothing(node: Places, argv: list[str], uid: str) -> None:
    _process(node, 123, argv, uid=uid)
    assert maintenance.busy(node) is None


def test_a_real_users_process_of_that_name_changes_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can start a process as somebody else")
    started = subprocess.Popen(["dcgmi", "diag", "60"], executable="/bin/sleep", user=65534, group=65534)
    mine = subprocess.Popen(["sleep", "60"], executable="/bin/sleep")
    try:
        assert maintenance._is_roots(f"/proc/{mine.pid}")
        assert not maintenance._is_roots(f"/proc/{started.pid}")
    finally:
        for process in (started, mine):
            process.kill()
            process.wait()


def test_processes_that_go_or_can_not_be_read_are_passed_over(node: Places) -> None:
    (Path(node.proc) / "1").mkdir()
    (_process(node, 2, ["dcgmi", "diag"]) / "status").unlink()
    (_process(node, 3, ["dcgmi", "diag"]) / "cmdline").write_bytes(b"")
    (Path(node.proc) / "self").mkdir()
    assert maintenance.busy(node) is None
    _process(node, 4, ["nvidia-smi", "-r"])
    assert maintenance.busy(node) == "nvidia-smi --gpu-reset is running (process 4)"


def _mark(node: Places, name: str, content: bytes) -> None:
    folder = Path(node.run) / "busy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def test_our_own_work_counts_while_its_process_lives(node: Places) -> None:
    folder = _process(node, 77, ["aami-reset"])
    _mark(node, "reset", json.dumps({"what": "reset of\nGPU 3", "pid": 77, "started": 4711}).encode())
    assert maintenance.marked(node) == "reset of GPU 3 is under way (process 77)"
    assert maintenance.busy(node) == maintenance.marked(node)
    (folder / "stat").write_text(f"77 (other) {STAT.replace('4711', '4712')}\n")
    assert maintenance.busy(node) is None, "the number is another process's by now"
    (folder / "stat").unlink()
    assert maintenance.busy(node) is None


@given(st.binary(max_size=40) | st.sampled_from([b"[]", b"{}", b'{"pid": "1", "started": 1}', b'{"pid": 1}']))
def test_a_mark_that_is_garbage_says_nothing(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    node = Places(str(tmp_path_factory.mktemp("node")))
    _mark(node, "x", content)
    assert maintenance.marked(node) is None


@given(st.lists(st.text(max_size=20), max_size=6))
def test_any_command_line_is_read(argv: list[str]) -> None:
    assert isinstance(maintenance.work_of(argv), str)


def test_this_very_machine_can_be_looked_at() -> None:
    told = maintenance.busy(Places())
    assert told is None or "is running" in told or "is under way" in told
    assert register.life("/proc", os.getpid()) is not None
