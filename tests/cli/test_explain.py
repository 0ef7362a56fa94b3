"""`aami-hpc explain` as typed: subcommands, bare codes and pasted lines, statuses, imports."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.calls import REPOSITORY, aami, plain_environ

if TYPE_CHECKING:
    from pathlib import Path

LINE = "NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus."


def test_a_code() -> None:
    done = aami("explain", "xid", "79")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("FATAL  Xid 79: GPU has fallen off the bus\n")
    assert aami("explain", "79").stdout == done.stdout


def test_json_is_one_object_or_a_list() -> None:
    assert json.loads(aami("explain", "xid", "79", "--json").stdout)["code"] == 79
    assert [one["code"] for one in json.loads(aami("--json", "explain", "xid", "79", "74").stdout)] == [
        79,
        74,
    ]
    assert json.loads(aami("explain", "sxid", "20034", "--json").stdout)["kind"] == "sxid"


def test_a_pasted_line_needs_no_subcommand() -> None:
    bare = aami("explain", LINE, "--brief")
    assert bare.returncode == 0
    assert bare.stdout == aami("explain", "line", LINE, "--brief").stdout
    assert bare.stdout.startswith("This line\n")
    assert json.loads(aami("explain", LINE, "--json").stdout)["event"]["bus_id"] == "0000:c1:00"


def test_an_unknown_code_is_the_answer_no() -> None:
    done = aami("explain", "xid", "183")
    assert (done.returncode, done.stderr) == (1, "")
    assert "182" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["xid", "x"], "'x' is no code"),
        (["xid", "-5"], "No such option"),
        (["xid", "1000000000000"], "no driver has a number as high"),
        (["xid"], "Missing argument"),
        (["xid", "79", "--model", "T4"], "H100"),
        (["lgo"], "Did you mean 'log'?"),
        (["a sentence without a fault"], "No Xid or SXid"),
        (["log", "--gpu", "x", "-"], "no bus id"),
        (["log", "--journal", "--kmsg"], "can't be combined"),
    ],
)
def test_wrong_usage_is_2_and_one_line(arguments: list[str], told: str) -> None:
    done = aami("explain", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_explaining_a_code_loads_little() -> None:
    code = "import sys; sys.argv = ['aami-hpc', 'explain', 'xid', '79']\n"
    code += "import atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    code += "from aami_hpc.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env=plain_environ(),
    )
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not {"pydantic", "asyncssh", "rich", "asyncio", "ruamel", "ClusterShell"} & loaded


def log(*arguments: str, given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aami_hpc", "explain", "log", *arguments],
        input=given, capture_output=True, text=True, check=False, cwd=REPOSITORY, env=plain_environ(),
    )  # fmt: skip


def test_a_log_from_a_pipe() -> None:
    done = log("-", given=f"[1.0] {LINE}\n")
    assert done.returncode == 1
    assert "GPU 0000:c1:00 lost" in done.stdout
    assert log(given=f"[1.0] {LINE}\n").stdout == done.stdout
    quiet = log("-", given="[1.0] usb 1-1: new device\n")
    assert (quiet.returncode, quiet.stdout) == (0, "No fault of a GPU or NVSwitch in this log.\n")


def test_a_log_as_json() -> None:
    data = json.loads(log("--json", "-", given=f"[1.0] {LINE}\n").stdout)
    assert [len(data["events"]), data["incidents"][0]["root"]["code"]] == [1, 79]


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    done = aami("explain", "log", str(tmp_path / "none"))
    assert done.returncode == 14
    assert "Traceback" not in done.stderr


def test_a_terminal_shows_the_panel_within_80_columns() -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "aami_hpc", "explain", "xid", "79", "--no-color"],
        stdout=child, stdin=child, cwd=REPOSITORY, env=plain_environ(COLUMNS="120", TERM="xterm"),
    )  # fmt: skip
    os.close(child)
    shown = b""
    try:
        while block := os.read(parent, 65536):
            shown += block
    except OSError:  # the other side is closed
        pass
    os.close(parent)
    assert process.wait() == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert lines[0].startswith("FATAL  Xid 79")
    assert max(len(line.rstrip()) for line in lines) <= 80


@pytest.mark.skipif(os.geteuid() != 0, reason="the kernel's buffer may be for root alone")
def test_the_kernel_s_own_buffer() -> None:
    done = aami("explain", "log", "--kmsg", "--json")
    if done.returncode == 13:
        pytest.skip("/dev/kmsg can't be read here")
    assert done.returncode in {0, 1}
    assert set(json.loads(done.stdout)) == {"events", "incidents", "repeats", "remarks"}
