"""What the SSH tests share: options that see nothing of the person who runs them, and one-line runs."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aami_hpc.io.ssh import Local, Outcome, SshOptions, SshPool, Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from aami_hpc.io.ssh import Host
    from aami_hpc.testing.sshd import SshNode

    Work = Callable[[Host], Awaitable[Outcome]]


def world(
    folder: Path, *nodes: SshNode, names: Sequence[str] = (), config: str = "", **changes: Any
) -> SshOptions:
    """Options for these servers: their key, their host keys, a configuration file of our own."""
    known = folder / "known_hosts"
    known.write_text("".join(node.known_hosts(*(names or (node.address,))) for node in nodes))
    path = folder / "ssh_config"
    path.write_text(config + "\nGlobalKnownHostsFile none\nIdentityAgent none\n")
    path.chmod(0o600)
    chosen: dict[str, Any] = {
        "config_file": path,
        "known_hosts": known,
        "identity_files": tuple({node.keys.client for node in nodes}),
        "connect_timeout": 20.0,
        "command_timeout": 20.0,
        **changes,
    }
    return SshOptions(**chosen)


def local(folder: Path) -> Local:
    return Local(getpass.getuser(), folder, os.getuid(), socket.gethostname())


def target(node: SshNode, name: str = "gpu-001", port: int | None = None) -> Target:
    return Target(name, node.address, port or node.port)


async def hello(host: Host) -> Outcome:
    return await host.run("echo hello")


def one(options: SshOptions, to: Target, folder: Path, work: Work = hello) -> Outcome:
    """The outcome of one host."""
    return many(options, [to], folder, work)[0][to.name]


def many(
    options: SshOptions, to: Iterable[Target], folder: Path, work: Work = hello
) -> tuple[dict[str, Outcome], list[str]]:
    """The outcomes of some hosts by name, and the remarks."""

    async def run() -> tuple[dict[str, Outcome], list[str]]:
        async with SshPool(options, local=local(folder)) as pool:
            outcomes = {outcome.name: outcome async for outcome in pool.each(to, work)}
        return outcomes, pool.remarks

    return asyncio.run(run())


def script(text: str, **more: Any) -> Work:
    async def work(host: Host) -> Outcome:
        return await host.run(text, **more)

    return work


def living(marked: str) -> list[int]:
    """Processes with this word among their arguments, zombies left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (folder / "cmdline").read_text().split("\0")
            if marked in arguments and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(folder.name))
    return found


def wait_for(marked: str, number: int) -> None:
    deadline = time.monotonic() + 20
    while len(living(marked)) != number and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(living(marked)) == number


@contextmanager
def talker(*says: bytes, hold: bool = False) -> Iterator[int]:
    """A TCP server that says something to everyone and then hangs up, or stays silent. Yields its port."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        server.settimeout(0.05)
        kept = []

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                for one in says:
                    connection.sendall(one)
                if hold:
                    kept.append(connection)
                else:
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()
            for connection in kept:
                connection.close()
