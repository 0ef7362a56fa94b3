"""The script that nodes run, in every sh there is: what it sees of files, patterns, Python and mounts."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.hooks.doctor.node_script import read, script

if TYPE_CHECKING:
    from pathlib import Path

    from aami_hpc.hooks.doctor.answer import Answer

SHELLS = [name for name in ("sh", "bash", "dash", "busybox") if shutil.which(name)]


def ask(shell: str, patterns: list[str], spool: str = "", user: tuple[str, ...] = ()) -> Answer:
    words = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [*user, *words, "-c", script(patterns, spool)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert done.stderr == ""
    return read(done.stdout, patterns)


def file(path: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def shown(answer: Answer, pattern: str) -> list[tuple[str, str]]:
    return [(seen.path.rpartition("/")[2], seen.status) for seen in answer.programs[pattern]]


@pytest.mark.parametrize("shell", SHELLS)
def test_programs_are_seen_as_slurmd_would(shell: str, tmp_path: Path) -> None:
    good = file(tmp_path / "it's good; $(touch x)", mode=0o700)
    plain = file(tmp_path / "plain", mode=0o644)
    launcher = file(tmp_path / "launcher", "site='/opt/site prolog'\nours=/usr/libexec/aami-hpc/prolog\n")
    for name, mode in (("90.sh", 0o755), ("10.sh", 0o755), ("50.sh~", 0o644), (".hidden", 0o644)):
        file(tmp_path / "d" / name, mode=mode)
    patterns = [
        good,
        plain,
        launcher,
        f"{tmp_path}/gone",
        f"{tmp_path}/d",
        f"{tmp_path}/d/*",
        f"{tmp_path}/e/*",
    ]
    answer = ask(shell, patterns)
    assert [answer.programs[one][0].status for one in patterns[:5]] == [
        "ok",
        "not-executable",
        "ok",
        "missing",
        "not-a-file",
    ]
    assert [answer.programs[one][0].calls_ours for one in patterns[:3]] == [False, False, True]
    assert answer.seen(launcher).site == "/opt/site prolog"
    assert shown(answer, launcher)[1:] == [("site prolog", "missing")], "that would drain the node as well"
    assert sorted(shown(answer, patterns[5])) == [
        ("10.sh", "ok"),
        ("50.sh~", "not-executable"),
        ("90.sh", "ok"),
    ]
    assert shown(answer, patterns[6]) == [("*", "missing")]
    assert answer.status(f"{tmp_path}/gone") == "missing"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.lab
def test_an_ordinary_user_sees_modes_and_says_what_is_hidden(shell: str) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    answer = ask(shell, ["/root/x", "/root/*", "/usr/bin/env", "/etc/passwd", "/gone"], user=nobody)
    statuses = [seen[0].status for seen in answer.programs.values()]
    assert statuses == ["hidden", "hidden", "ok", "not-executable", "missing"]


@pytest.mark.parametrize("shell", SHELLS)
def test_python_mounts_and_a_configless_slurmd_are_seen(shell: str, tmp_path: Path) -> None:
    file(tmp_path / "node-7" / "conf-cache" / "slurm.conf")
    answer = ask(shell, [], f"{tmp_path}/%h")
    assert answer.configless
    assert answer.state_fs
    assert " 3." in answer.python
    assert not ask(shell, [], f"{tmp_path}/other").configless


@given(st.text(max_size=200))
def test_whatever_a_node_says_is_no_fault_of_ours(said: str) -> None:
    answer = read(f"SEE\t{said}\nPYTHON\t{said}\n{said}", ["/a"])
    assert set(answer.programs) == {"/a"}


def test_lines_that_nobody_wrote_count_for_nothing() -> None:
    forged = "SEE\t7\tok\t\t\t/a\nSEE\t0\tfine\t\t\t/a\nSEE\t0\tok\nMOUNT\t/var\nSEE\t-1\tok\t\t\t/a\n"
    assert read(forged, ["/a"]).programs == {"/a": ()}
