"""`aami-xid.pyz`: one file for any Python from 3.6 on, with nothing else installed."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aami_hpc.xid import catalog, pyz
from tests.lab.require import unavailable
from tests.xid.test_node_side import old_pythons

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

LINE = "NVRM: Xid (PCI:0000:c1:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pyz") / "aami-xid.pyz"
    path.write_bytes(pyz.build())
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module", params=["this", "3.6"])
def python(request: pytest.FixtureRequest) -> str:
    if request.param == "this":
        return sys.executable
    found = next(old_pythons(), None)
    if found is None:
        unavailable("no Python 3.6: aami-xid.pyz can't be tried on the oldest one")
    return found


def call(
    python: str, archive: Path, *arguments: str, given: bytes = b"", **environ: str
) -> subprocess.CompletedProcess[bytes]:
    bare = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environ}
    return subprocess.run(
        [python, "-I", "-S", "-W", "error", archive, *arguments],
        input=given, capture_output=True, check=False, timeout=60, cwd="/", env=bare,
    )  # fmt: skip


def test_the_same_sources_give_the_same_bytes(archive: Path) -> None:
    assert archive.read_bytes() == pyz.build()


def test_explain(python: str, archive: Path) -> None:
    done = call(python, archive, "explain", "xid", "79")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert text.startswith("FATAL  Xid 79: GPU has fallen off the bus\n")
    assert max(map(len, text.splitlines())) <= 80
    for title in ("Meaning", "Usual causes", "Do now", "If it repeats", "Tell the user", "Sources"):
        assert f"\n{title}\n" in text


def test_explain_says_the_same_as_the_command(archive: Path) -> None:
    from aami_hpc.actions.explain import codes
    from aami_hpc.render.plain import to_text

    done = call(sys.executable, archive, "explain", "48", "63", "94", "--model", "NVIDIA A100-SXM4-80GB")
    assert done.stdout.decode() == to_text(codes("xid", ["48", "63", "94"], model="A100").document)


def test_a_pasted_line_and_an_unknown_code(python: str, archive: Path) -> None:
    done = call(python, archive, "explain", LINE, "--brief")
    assert done.returncode == 0
    assert done.stdout.startswith(b"This line\n  GPU  0000:c1:00\n")
    unknown = call(python, archive, "explain", "xid", "999", "--json")
    assert unknown.returncode == 1
    assert json.loads(unknown.stdout)["status"] == "unknown"


@pytest.mark.parametrize(
    "arguments",
    [["xid", "x"], ["xid", "-5"], ["xid", "1000000000000"], ["xid"], ["hello"], ["a line without any"], ["79", "--model", "T4"]],
)  # fmt: skip
def test_wrong_usage(python: str, archive: Path, arguments: list[str]) -> None:
    done = call(python, archive, "explain", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Traceback" not in done.stderr


def test_list(python: str, archive: Path) -> None:
    done = call(python, archive, "list")
    assert len(done.stdout.splitlines()) == len(catalog.codes("xid"))
    assert call(python, archive, "list", "--search", "fell off the bus").stdout.split()[0] == b"79"
    assert call(python, archive, "list", "--search", "nothing like zebras").returncode == 1


def test_log(python: str, archive: Path, tmp_path: Path) -> None:
    log = tmp_path / "messages.gz"
    log.write_bytes(gzip.compress(f"[1.0] {LINE}\n[2.0] usb 1-1: new device\n".encode()))
    packed = call(python, archive, "log", str(log))
    assert packed.returncode == 1
    assert b"GPU 0000:c1:00 lost" in packed.stdout
    piped = call(python, archive, "explain", "log", "-", given=f"[1.0] {LINE}\n".encode())
    assert piped.stdout == packed.stdout
    quiet = call(python, archive, "log", given=b"[1.0] usb 1-1: new device\n")
    assert (quiet.returncode, quiet.stdout) == (0, b"No fault of a GPU or NVSwitch in this log.\n")
    data = json.loads(call(python, archive, "log", "--json", str(log)).stdout)
    assert [len(data["events"]), data["incidents"][0]["root"]["code"]] == [1, 79]


def test_a_log_that_can_not_be_read(python: str, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.gz").write_bytes(gzip.compress(b"x" * 100000)[:60])
    (tmp_path / "log.zst").write_bytes(b"\x28\xb5\x2f\xfd nothing")
    for name in ("bad.gz", "log.zst", "none"):
        done = call(python, archive, "log", str(tmp_path / name))
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr
        assert name.encode() in done.stderr


def test_text_from_outside_acts_on_no_terminal_and_fails_in_no_locale(python: str, archive: Path) -> None:
    line = "[1.0] NVRM: Xid (PCI:0000:c1:00): 31, pid=1, name=\x1b[2Jé\u202e, Ch 00000001\n".encode()
    done = call(python, archive, "log", given=line, LC_ALL="C")
    assert done.stderr == b""
    assert b"\x1b" not in done.stdout
    pasted = call(python, archive, "explain", line.decode().strip(), "--brief", LC_ALL="C")
    assert (pasted.returncode, pasted.stderr) == (0, b"")
    assert b"\x1b" not in pasted.stdout


def test_nobody_reads_on(archive: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", archive, "list"], stdout=write, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_copy_without_the_catalogue_says_how_to_get_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aami_xid", "explain", "79"], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "make pyz" in done.stderr
