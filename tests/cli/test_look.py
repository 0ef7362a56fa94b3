"""`aami-hpc look` as a person meets it: an ordinary user, nothing written, nobody connected to, real Slurm."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import ordinary
from tests.cli.calls import aami, as_nobody, plain_environ, slurm_environ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.slurm import SlurmCluster

SECTIONS = {"cluster", "slurm", "machine", "ports", "software", "hooks", "unknown"}
_CHANGES = re.compile(
    r"^(mkdir|mknod|unlink|rmdir|rename|link|symlink|chmod|fchmod|chown|fchown|lchown|truncate|utime|setxattr)"
)
_OPENS = re.compile(r"^(open|openat|openat2|creat)\(")
_FOR_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    assert set(data) == SECTIONS
    return data


def test_it_runs_without_root_rights_or_configuration_and_ends_well() -> None:
    data = found(aami("look", "--json"))
    assert data["machine"]["kernel"]["value"] == os.uname().release
    assert data["machine"]["kernel"]["source"] == "/proc/sys/kernel/osrelease"
    assert "This machine" in aami("look").stdout


def test_options_may_stand_anywhere_and_ssh_takes_a_range_or_none() -> None:
    assert "--ssh [RANGE]" in aami("look", "--help").stdout
    done = aami("look", "--json", "--ssh", "nosuchnode")
    assert done.returncode in {30, 32}, done.stderr
    assert json.loads(done.stderr)["error"]["exit_status"] == done.returncode


def test_it_loads_no_ssh_library_unless_asked() -> None:
    code = (
        "import sys; sys.argv = ['aami-hpc', 'look', '--json']\n"
        "import atexit; atexit.register(lambda: print('asyncssh' in sys.modules, 'rich' in sys.modules, file=sys.stderr))\n"
        "from aami_hpc.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=plain_environ(),
        timeout=120,
    )
    assert done.stderr == "False False\n"


@pytest.mark.lab
def test_as_nobody_with_real_slurm(slurm_2205: SlurmCluster) -> None:
    slurm_2205.scontrol(
        "update", f"nodename={slurm_2205.nodes[0]}", "state=drain", "reason=aami:p:test words"
    )
    slurm_2205.reconfigure(HealthCheckProgram="/usr/sbin/nhc", HealthCheckInterval="300")
    data = found(as_nobody("look", "--json", environ=slurm_environ(slurm_2205)))
    assert data["machine"]["user"]["value"].endswith("(uid 65534)")
    assert data["cluster"]["name"] == {"value": slurm_2205.name, "source": "scontrol show config"}
    slurm = data["slurm"]
    assert slurm["version"]["value"] == slurm_2205.version
    assert slurm["conf"]["value"] == str(slurm_2205.conf)
    assert slurm["gres_types"]["value"] == "gpu"
    assert all(one["up"] for one in slurm["controllers"]["value"])
    states = {group["nodes"]: group["state"] for group in slurm["nodes"]["value"]}
    assert sorted(states.values()) == ["IDLE", "IDLE+DRAIN"]
    assert {group["gpus"] for group in slurm["nodes"]["value"]} == {8}
    assert {group["gpu_model"] for group in slurm["nodes"]["value"]} == {"h100"}
    assert slurm["partitions"]["value"]
    assert data["hooks"]["health_check_program"]["value"] == "/usr/sbin/nhc"
    assert data["hooks"]["epilog"] == {"value": None, "source": "scontrol show config"}


@pytest.mark.lab
def test_on_every_release(slurm_release: SlurmCluster) -> None:
    data = found(aami("look", "--json", **slurm_environ(slurm_release)))
    assert data["cluster"]["name"]["value"] == slurm_release.name
    assert data["slurm"]["version"]["value"] == slurm_release.version
    assert data["slurm"]["nodes"]["value"][0]["gpus"] == 8
    assert data["hooks"]["message_timeout"]["value"]
    assert data["unknown"] == []


@pytest.mark.lab
def test_it_writes_nothing_and_connects_to_nobody(slurm_2205: SlurmCluster, tmp_path: Path) -> None:
    folder = tmp_path / "trace"
    folder.mkdir()
    calls = "trace=%file,%desc,%network,execve,fchmod,fchown,ftruncate"
    strace = ("strace", "-ff", "-ttt", "-e", calls, "-s", "200", "-o", str(folder / "t"))
    data = found(as_nobody("look", "--json", environ=slurm_environ(slurm_2205), before=strace))
    assert data["cluster"]["name"]["value"] == slurm_2205.name
    seen = list(_after_the_mark(folder))
    assert {"scontrol", "sinfo"} < {Path(name).name for name, _ in seen}
    written = [(name, call) for name, call in seen if _writes(call)]
    assert written == []
    connected = {name for name, call in seen if call.startswith(("connect(", "sendto(", "bind("))}
    assert {Path(name).name for name in connected} <= {"scontrol", "sinfo"}


def _after_the_mark(folder: Path) -> Iterator[tuple[str, str]]:
    """(program, call) of all that happened as nobody. One file per process; a child begins as its parent."""
    traces = [path.read_text(errors="replace").splitlines() for path in folder.iterdir()]
    (mark,) = [_time(line) for lines in traces for line in lines if ordinary.MARK in line]
    for lines in traces:
        program = sys.executable
        for line in lines:
            if _time(line) <= mark:
                continue
            call = line.partition(" ")[2]
            started = re.match(r'execve\("([^"]+)".*= 0$', call)
            program = started[1] if started else program
            yield program, call


def _time(line: str) -> float:
    return float(line.partition(" ")[0])


def _writes(call: str) -> bool:
    if "/dev/null" in call or "/dev/tty" in call:
        return False
    return bool(_CHANGES.match(call) or (_OPENS.match(call) and _FOR_WRITING.search(call)))


@pytest.mark.parametrize(
    ("call", "writes"),
    [
        ('openat(AT_FDCWD, "/etc/os-release", O_RDONLY|O_NOCTTY|O_NONBLOCK|O_CLOEXEC) = 3', False),
        ('openat(AT_FDCWD, "/dev/null", O_RDWR) = 3', False),
        ('openat(AT_FDCWD, "/tmp/x", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3', True),
        ('openat(AT_FDCWD, "/x", O_RDWR|O_CREAT, 0666) = -1 EACCES (Permission denied)', True),
        ('mkdir("/x", 0777) = -1 EACCES (Permission denied)', True),
        ('renameat2(AT_FDCWD, "a", AT_FDCWD, "b", 0) = 0', True),
        ('readlink("/proc/self/exe", "x", 4096) = 1', False),
    ],
)
def test_what_counts_as_writing(call: str, writes: bool) -> None:  # noqa: FBT001
    assert _writes(call) is writes


@pytest.mark.lab
def test_hidden_processes_are_said_to_be_hidden() -> None:
    hide = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    data = found(
        as_nobody("look", "--json", environ={}, before=("unshare", "--mount", "sh", "-c", hide, "sh"))
    )
    gap = next(gap for gap in data["unknown"] if gap["what"] == "Processes")
    assert "hidden from this user (/proc is mounted with hidepid=" in gap["why"]
    assert data["machine"]["services"]["unknown"]


@pytest.mark.lab
def test_a_hung_controller_costs_one_time_limit(slurm_2205: SlurmCluster) -> None:
    slurm_2205.hang_controller()
    began = time.monotonic()
    data = found(aami("look", "--json", **slurm_environ(slurm_2205)))
    assert time.monotonic() - began < 20  # slurm.timeout is 3 s; the rest is patience with a busy machine
    assert data["cluster"]["name"] == {"value": slurm_2205.name, "source": str(slurm_2205.conf)}
    assert any("No answer within 3 s" in gap["why"] for gap in data["unknown"])


@pytest.mark.lab
def test_a_stopped_controller_is_down_at_once(slurm_2205: SlurmCluster) -> None:
    slurm_2205.stop_controller()
    began = time.monotonic()
    data = found(aami("look", "--json", **slurm_environ(slurm_2205)))
    assert time.monotonic() - began < 15
    assert [one["up"] for one in data["slurm"]["controllers"]["value"]] == [False]
    assert data["hooks"]["prolog_flags"]["source"] == str(slurm_2205.conf)


def test_the_page_fits_a_terminal_of_80_columns() -> None:
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "aami_hpc", "look", "--no-color"],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        env=plain_environ(TERM="xterm", COLUMNS=""),
    ) as process:
        os.close(terminal)
        text = b""
        with contextlib.suppress(OSError):  # how Linux says that the other side is gone
            while chunk := os.read(controller, 65536):
                text += chunk
    os.close(controller)
    assert process.returncode == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text.decode()).splitlines()
    assert "This machine" in lines
    assert max(len(line.rstrip()) for line in lines) <= 80
