"""Commands on a real sshd: their output, their noise, their end. What we started there never outlives us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from aami_hpc.errors import SshCommandFailed
from aami_hpc.io.ssh import Kind, SshPool
from aami_hpc.testing.sshd import SshNode, ssh_node
from tests.io.ssh_support import living, local, one, script, target, wait_for, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aami_hpc.io.ssh import Host, Outcome

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node() -> Iterator[SshNode]:
    with ssh_node() as started:
        yield started


# --- output -----------------------------------------------------------------------------------------------


def test_output_error_and_status_come_apart(node: SshNode, tmp_path: Path) -> None:
    found = one(world(tmp_path, node), target(node), tmp_path, script("printf 'a\\0b'; echo why >&2; exit 3"))
    assert (found.kind, found.status, found.stdout, found.stderr) == (
        Kind.COMMAND_FAILED,
        3,
        b"a\0b",
        b"why\n",
    )
    assert found.detail == "Status 3: why"
    with pytest.raises(SshCommandFailed, match=r"gpu-001: command failed\. Status 3: why\. Run the command"):
        found.check()


def test_an_output_is_kept_up_to_its_limit(node: SshNode, tmp_path: Path) -> None:
    found = one(
        world(tmp_path, node), target(node), tmp_path, script("head -c 3000000 /dev/zero; exit 4", limit=1000)
    )
    assert (len(found.stdout), found.truncated, found.status) == (1000, True, 4)


def test_a_command_that_kills_itself(node: SshNode, tmp_path: Path) -> None:
    found = one(world(tmp_path, node), target(node), tmp_path, script("kill -KILL 0"))
    assert (found.kind, found.detail) == (Kind.COMMAND_FAILED, "Ended by signal KILL")


def test_a_child_in_the_background_does_not_hold_us_up(node: SshNode, tmp_path: Path) -> None:
    """Such as a daemon that was started and keeps our output open."""
    found = one(world(tmp_path, node), target(node), tmp_path, script("setsid sleep 77001 & echo $!"))
    try:
        assert found.ok
        assert found.seconds < 15
    finally:
        for pid in living("77001"):
            os.kill(pid, signal.SIGKILL)


# --- login shells -----------------------------------------------------------------------------------------


def forced(tmp_path: Path, text: str) -> dict[str, str]:
    """Options that put a login shell of our making in front of every command."""
    shell = tmp_path / "login-shell"
    shell.write_text(text)
    shell.chmod(0o755)
    return {"ForceCommand": str(shell)}


def test_noise_of_login_scripts_is_stripped_and_kept_apart(tmp_path: Path) -> None:
    noisy = "#!/bin/sh\necho 'Welcome to the cluster!'; echo quota >&2; sh -c \"$SSH_ORIGINAL_COMMAND\"; echo bye\n"
    with ssh_node(options={**forced(tmp_path, noisy), "Banner": "/etc/hostname"}) as node:
        found = one(world(tmp_path, node), target(node), tmp_path, script("echo out; echo err >&2"))
    assert (found.stdout, found.stderr) == (b"out\n", b"err\n")
    assert found.noise == b"Welcome to the cluster!\n"


def test_a_shell_that_echoes_the_line_does_not_confuse_us(tmp_path: Path) -> None:
    echoing = '#!/bin/sh\nprintf "%s\\n" "$SSH_ORIGINAL_COMMAND"\nset -xv\nsh -xvc "$SSH_ORIGINAL_COMMAND"\n'
    with ssh_node(options=forced(tmp_path, echoing)) as node:
        found = one(world(tmp_path, node), target(node), tmp_path, script("echo out"))
    assert (found.kind, found.stdout) == (Kind.OK, b"out\n")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (
            "#!/bin/sh\necho 'This account is currently not available.'\nexit 1\n",
            "This account is currently not available.",
        ),
        ("#!/bin/sh\nexit 1\n", "The login shell ended with status 1 and said nothing"),
        ("#!/nonexistent/shell\n", "not found"),
    ],
)
def test_no_shell(tmp_path: Path, text: str, detail: str) -> None:
    with ssh_node(options=forced(tmp_path, text)) as node:
        found = one(world(tmp_path, node), target(node), tmp_path)
    assert found.kind is Kind.NO_SHELL
    assert detail in found.detail or "No such file" in found.detail


def test_a_host_that_opens_no_session(tmp_path: Path) -> None:
    with ssh_node(options={"MaxSessions": "0"}) as node:
        found = one(world(tmp_path, node), target(node), tmp_path)
    assert (found.kind, found.detail[:33]) == (Kind.NO_SHELL, "The host refuses to run commands:")


@pytest.mark.lab  # five seconds of waiting
def test_a_login_script_that_hangs(tmp_path: Path) -> None:
    with ssh_node(options=forced(tmp_path, "#!/bin/sh\nexec sleep 77002\n")) as node:
        found = one(world(tmp_path, node, command_timeout=1), target(node), tmp_path)
    for pid in living("77002"):  # sshd lets nobody end a forced command
        os.kill(pid, signal.SIGKILL)
    assert found.kind is Kind.COMMAND_TIMEOUT
    assert "did not get as far as our command" in found.detail


def test_sudo_that_refuses(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    sudo = tmp_path / "bin" / "sudo"
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    sudo.chmod(0o755)
    with ssh_node(options={"SetEnv": f"PATH={tmp_path}/bin:/usr/bin:/bin"}) as node:
        options = world(tmp_path, node, sudo=True)
        found = one(options, target(node), tmp_path)
        assert (found.kind, found.detail) == (Kind.SUDO_REFUSED, "sudo: a password is required")
        sudo.unlink()
        sudo.write_text('#!/bin/sh\n[ "$1 $2" = "-n --" ] || exit 9\nshift 2\nAAMI_SUDO=1 exec "$@"\n')
        sudo.chmod(0o755)
        found = one(options, target(node), tmp_path, script("echo $AAMI_SUDO"))
        assert (found.kind, found.text) == (Kind.OK, "1\n")


def test_sudo_that_is_not_there(tmp_path: Path) -> None:
    for name in ("sh", "printf"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    with ssh_node(options={"SetEnv": f"PATH={tmp_path}"}) as node:
        found = one(world(tmp_path, node, sudo=True), target(node), tmp_path)
    assert found.kind is Kind.SUDO_REFUSED
    assert "sudo" in found.detail


# --- the end of our side ----------------------------------------------------------------------------------


def test_a_command_is_ended_with_all_its_children_when_its_time_is_over(
    node: SshNode, tmp_path: Path
) -> None:
    began = time.monotonic()
    text = "trap '' TERM; sleep 77003 & (sleep 77003) & sleep 77003; sleep 77003"
    found = one(world(tmp_path, node), target(node), tmp_path, script(text, timeout=1))
    assert (found.kind, found.detail) == (Kind.COMMAND_TIMEOUT, "It was ended")
    assert living("77003") == []
    assert time.monotonic() - began < 15


def test_what_was_printed_before_the_time_was_over_is_kept(node: SshNode, tmp_path: Path) -> None:
    found = one(world(tmp_path, node), target(node), tmp_path, script("echo so far; sleep 77004", timeout=1))
    assert (found.kind, found.stdout) == (Kind.COMMAND_TIMEOUT, b"so far\n")


def test_a_cancelled_command_is_ended_and_its_connection_goes_on(node: SshNode, tmp_path: Path) -> None:
    async def run() -> Outcome:
        async with (
            SshPool(world(tmp_path, node), local=local(tmp_path)) as pool,
            pool.host(target(node)) as host,
        ):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(host.run("sleep 77005"), 1)
            await asyncio.to_thread(wait_for, "77005", 0)
            return await host.run("echo still here")

    assert asyncio.run(run()).text == "still here\n"


def test_a_killed_host_is_a_lost_connection(tmp_path: Path) -> None:
    async def run() -> Outcome:
        with ssh_node() as node:
            async with SshPool(world(tmp_path, node), local=local(tmp_path)) as pool:
                work = asyncio.ensure_future(pool.one(target(node), script("echo x; sleep 77006")))
                await asyncio.to_thread(wait_for, "77006", 1)
                node.crash()
                return await work

    found = asyncio.run(run())
    assert (found.kind, found.detail) == (Kind.CONNECTION_LOST, "While a command ran")
    wait_for("77006", 0)


PROGRAM = """
import asyncio, sys
from pathlib import Path
from aami_hpc.io.ssh import SshOptions, SshPool, Target
async def main():
    options = SshOptions(config_file=Path("/dev/null"), known_hosts=Path(sys.argv[1]), identity_files=(Path(sys.argv[2]),))
    async with SshPool(options) as pool:
        async for found in pool.each([Target(f"n{p}", "127.0.0.1", int(p)) for p in sys.argv[3:]],
                                     lambda host: host.run("sleep 77007")):
            print(found)
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_worse_leave_nothing_on_the_hosts(tmp_path: Path, number: int) -> None:
    with ssh_node(ports=4) as node:
        options = world(tmp_path, node)
        argv = [
            sys.executable,
            "-c",
            PROGRAM,
            str(options.known_hosts),
            str(node.keys.client),
            *map(str, node.ports),
        ]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_for("77007", 4)
            began = time.monotonic()
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
            assert time.monotonic() - began < 10
        wait_for("77007", 0)
    assert out == ""
    if number == signal.SIGINT:
        assert err.strip().endswith("KeyboardInterrupt")
        assert "never retrieved" not in err


def test_a_host_keeps_its_one_connection_for_all_steps(tmp_path: Path) -> None:
    async def run(node: SshNode) -> None:
        async def steps(host: Host) -> Outcome:
            await host.run("true")
            return await host.run("true")

        async with SshPool(world(tmp_path, node), local=local(tmp_path)) as pool:
            for _ in range(3):
                assert (await pool.one(target(node), steps)).ok

    with ssh_node() as node:
        asyncio.run(run(node))
        assert node.log.count("Accepted publickey") == 1
