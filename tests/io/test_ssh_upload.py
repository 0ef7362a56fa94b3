"""Files arrive whole, checked and in one step, or not at all; nothing of ours is left beside them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from aami_hpc.errors import SshTransferFailed, StorageFault
from aami_hpc.io.ssh import Kind, Payload, SshPool
from aami_hpc.testing.sshd import SshNode, ssh_node
from tests.io.ssh_support import local, many, one, target, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aami_hpc.io.ssh import Host, Outcome
    from tests.io.ssh_support import Work

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node() -> Iterator[SshNode]:
    with ssh_node() as started:  # it has no SFTP: the configuration names no subsystem
        yield started


def sends(payload: Payload, to: Path, mode: int = 0o644) -> Work:
    async def work(host: Host) -> Outcome:
        return await host.upload(payload, PurePosixPath(to), mode=mode)

    return work


def file(path: Path, size: int) -> Payload:
    path.write_bytes(os.urandom(size))
    return Payload.of(path)


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_a_file_arrives_as_it_was_sent(node: SshNode, tmp_path: Path, size: int) -> None:
    payload = file(tmp_path / "source", size)
    to = tmp_path / 'it\'s a "target" $HOME; é'
    to.write_text("old")
    found = one(world(tmp_path, node), target(node), tmp_path, sends(payload, to, 0o750))
    assert found.kind is Kind.OK
    assert to.read_bytes() == payload.path.read_bytes()
    assert to.stat().st_mode & 0o777 == 0o750
    assert not list(tmp_path.glob(".*"))


def test_fifty_megabytes_stream_without_being_held(node: SshNode, tmp_path: Path) -> None:
    import tracemalloc

    payload = file(tmp_path / "source", 50_000_000)
    tracemalloc.start()
    try:
        found = one(world(tmp_path, node), target(node), tmp_path, sends(payload, tmp_path / "big"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.kind is Kind.OK
    assert hashlib.sha256((tmp_path / "big").read_bytes()).hexdigest() == payload.digest
    assert peak < 20_000_000


def test_a_file_that_changes_while_it_is_sent_does_not_arrive(node: SshNode, tmp_path: Path) -> None:
    payload = file(tmp_path / "source", 100_000)
    (tmp_path / "target").write_text("old")
    with payload.path.open("r+b") as stream:
        stream.write(b"changed")
    found = one(world(tmp_path, node), target(node), tmp_path, sends(payload, tmp_path / "target"))
    assert found.kind is Kind.TRANSFER_FAILED
    assert found.detail.startswith("It did not arrive whole: its checksum is")
    assert (tmp_path / "target").read_text() == "old"
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(SshTransferFailed, match="the old file is still in place"):
        found.check()


def test_a_file_that_shrinks_while_it_is_sent_does_not_arrive(node: SshNode, tmp_path: Path) -> None:
    payload = file(tmp_path / "source", 100_000)
    os.truncate(payload.path, 5000)
    found = one(world(tmp_path, node), target(node), tmp_path, sends(payload, tmp_path / "target"))
    assert found.kind is Kind.TRANSFER_FAILED
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("missing/target", "It could not be written: Directory nonexistent"),
        (".", "The target is a folder"),
    ],
)
def test_a_target_that_can_not_be(node: SshNode, tmp_path: Path, place: str, why: str) -> None:
    payload = file(
        tmp_path / "source", 3_000_000
    )  # more than fits into the channel: it must not wait for ever
    found = one(world(tmp_path, node), target(node), tmp_path, sends(payload, tmp_path / place))
    assert (found.kind, found.detail) == (Kind.TRANSFER_FAILED, why)


@pytest.mark.parametrize(
    ("programs", "works"),
    [(["openssl"], True), (["python3"], True), ([], False)],
)
def test_whatever_can_make_a_checksum_is_used(tmp_path: Path, programs: list[str], works: bool) -> None:  # noqa: FBT001
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "head", "chmod", "mv", "rm", "sleep", *programs):
        found = next(path for path in (Path("/usr/bin", name), Path("/bin", name)) if path.exists())
        (folder / name).symlink_to(found)
    payload = file(tmp_path / "source", 1000)
    shell = folder / "login"  # whatever the user's own shell sets, this is what the script sees
    shell.write_text(f'#!/bin/sh\nPATH={folder} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
    shell.chmod(0o755)
    with ssh_node(options={"ForceCommand": str(shell)}) as node:
        outcome = one(world(tmp_path, node), target(node), tmp_path, sends(payload, tmp_path / "target"))
    assert outcome.ok is works
    assert (tmp_path / "target").exists() is works
    if not works:
        assert outcome.detail == "There is no sha256sum, openssl or python3 to check the file with"


@pytest.mark.parametrize("how", ["cancelled", "crashed", "silent"])
def test_an_upload_that_breaks_off_leaves_the_old_file_and_no_junk(tmp_path: Path, how: str) -> None:
    to = tmp_path / "folder" / "target"
    to.parent.mkdir()
    to.write_text("old")
    pipe = tmp_path / "source"
    os.mkfifo(pipe)
    payload = Payload(pipe, 10_000_000, "0" * 64)  # a source that stops in the middle

    async def run(node: SshNode) -> None:
        options = world(tmp_path, node, command_timeout=1.5 if how == "silent" else 30)
        async with SshPool(options, local=local(tmp_path)) as pool:
            work = asyncio.ensure_future(pool.one(target(node), sends(payload, to)))
            await asyncio.to_thread(wait_for_part, to)
            if how == "crashed":
                node.crash()
            elif how == "cancelled":
                work.cancel()
            if how != "silent":
                over.set()
            with suppress(asyncio.CancelledError):
                assert (await work).kind in {Kind.CONNECTION_LOST, Kind.TRANSFER_FAILED, Kind.COMMAND_TIMEOUT}

    over = threading.Event()

    def trickle() -> None:
        with pipe.open("wb", buffering=0) as stream, suppress(BrokenPipeError):
            stream.write(b"x" * 1_000_000)
            over.wait(30)

    thread = threading.Thread(target=trickle)
    thread.start()
    with ssh_node() as node:
        asyncio.run(run(node))
        over.set()
        thread.join()
        deadline = time.monotonic() + 20
        while list(to.parent.iterdir()) != [to] and time.monotonic() < deadline:
            time.sleep(0.02)
    assert list(to.parent.iterdir()) == [to]
    assert to.read_text() == "old"


def wait_for_part(to: Path) -> None:
    deadline = time.monotonic() + 20
    while not any(one.stat().st_size for one in to.parent.glob(".target.aami-*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_uploads_have_a_limit_of_their_own(tmp_path: Path) -> None:
    payload = file(tmp_path / "source", 200_000)
    running, most = 0, 0

    async def work(host: Host) -> Outcome:
        nonlocal running, most
        async with host.limits.uploads:
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.05)
            running -= 1
        return await host.upload(payload, PurePosixPath(tmp_path / host.name))

    with ssh_node(ports=8) as node:
        hosts = [target(node, f"gpu-{port}", port) for port in node.ports]
        options = world(tmp_path, node, names=[one.name for one in hosts], uploads=2)
        outcomes, _ = many(options, hosts, tmp_path, work)
    assert all(outcome.ok for outcome in outcomes.values())
    assert most == 2


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageFault):
        Payload.of(tmp_path / "missing")
