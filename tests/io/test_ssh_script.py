"""The line means the same to every login shell, and leaves no process behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aami_hpc.io.ssh.frames import Frames
from aami_hpc.io.ssh.script import Line, for_any_shell, line
from tests.lab.require import unavailable

pytestmark = pytest.mark.slow

SHELLS = ["sh", "bash", "dash", "zsh", "tcsh", "fish", "mksh"]
NASTY = 'it\'s "all" $HOME `id` !! \\n %s ~ * \t ü $(id) # ; & | <> \n second line'


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        unavailable(f"the login shell {name} is not installed (Debian package {name})")
    return found


def run(login: str, made: Line, stdin: bytes | None = None) -> tuple[Frames, Frames]:
    """What sshd does: the login shell in a session of its own gets the line after -c."""
    process = subprocess.Popen(
        [login, "-c", made.command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        if stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
        out, err = Frames(made.mark, 10_000), Frames(made.mark, 10_000)
        out.feed(process.stdout.read())
        err.feed(process.stderr.read())
    return out, err


def of_group(session: int) -> list[str]:
    """The command lines of the live processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
    return found


def wait_until_gone(session: int) -> None:
    deadline = time.monotonic() + 20
    while of_group(session) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert of_group(session) == []


@pytest.mark.parametrize("name", SHELLS)
def test_every_login_shell_understands_it(name: str) -> None:
    quoted = "'" + NASTY.replace("'", "'\\''") + "'"
    out, err = run(shell(name), line(f"printf %s {quoted}; echo to-err >&2; exit 7", timeout=5))
    assert out.body.decode() == NASTY
    assert err.body == b"to-err\n"
    assert (out.status, err.status) == (7, 7)


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_any_text_survives(text: str) -> None:
    quoted = "'" + text.replace("'", "'\\''") + "'"
    done = subprocess.run(
        ["/bin/sh", "-c", for_any_shell(f"printf %s {quoted}")], capture_output=True, check=True
    )
    assert done.stdout.decode() == text


def test_a_script_with_a_mistake_fails_by_itself() -> None:
    out, err = run("/bin/sh", line("if true; then", timeout=5))
    assert out.began
    assert out.status not in {0, None}
    assert b"yntax" in err.body


def test_standard_input_is_empty_unless_it_feeds() -> None:
    out, _ = run("/bin/sh", line("wc -c", timeout=5))
    assert out.body.strip() == b"0"
    out, _ = run("/bin/sh", line("wc -c", timeout=5, feeds=True), b"12345")
    assert out.body.strip() == b"5"


@pytest.mark.parametrize("name", ["dash", "bash", "mksh", "zsh"])
def test_nothing_is_left_behind_after_a_good_end(name: str) -> None:
    """The watchers are ended in every order of events, and nothing waits for them: both were races once."""
    made = line("exit 0", timeout=4321)
    command = made.command.replace("/bin/sh", shell(name), 1)
    sessions = []
    for _ in range(30):
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        sessions.append(process.pid)
        with process:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
    for session in sessions:
        wait_until_gone(session)  # a sleep of one second may still be there


def test_the_end_of_our_side_ends_the_whole_group_even_when_it_ignores_that() -> None:
    made = line("trap '' TERM HUP; sleep 4321 & sleep 4321; sleep 4321", timeout=60)
    process = subprocess.Popen(
        ["/bin/sh", "-c", made.command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline().startswith(made.mark)
        process.stdin.close()
        wait_until_gone(process.pid)


@pytest.mark.parametrize("feeds", [False, True])
def test_the_host_ends_it_by_itself_when_our_word_does_not_arrive(feeds: bool) -> None:  # noqa: FBT001
    made = line("sleep 4321", timeout=-4, feeds=feeds)  # the host waits five seconds more than we do
    process = subprocess.Popen(
        ["/bin/sh", "-c", made.command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with process:
        try:
            wait_until_gone(process.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_an_echo_of_the_line_is_no_mark() -> None:
    made = line("true", timeout=5)
    assert made.mark not in made.command.encode()
