"""Where `explain log` reads: files, a pipe, this machine's journal or kernel buffer, nodes over SSH."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import aami_xid
from aami_hpc.errors import PermissionRefused, StorageFault, UsageFault
from aami_hpc.io import kmsg
from aami_hpc.io.files import storage_fault
from aami_xid.guide import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aami_hpc.config import Settings
    from aami_hpc.io.progress import Progress
    from aami_xid.event import Event


@dataclass(slots=True)
class Reading:
    """How to read, and what reading met: remarks for people, and whether a part could not be read at all."""

    year: int | None = None
    since: float | None = None
    remarks: list[str] = field(default_factory=list)
    partial: bool = False


Source: TypeAlias = "Callable[[Reading], Iterable[Event]]"  # one log; every call reads it anew


def sources(
    settings: Callable[[], Settings],
    files: Sequence[Path],
    *,
    journal: bool = False,
    kernel: bool = False,
    nodes: str | None = None,
    progress: Progress | None = None,
) -> tuple[Source, ...]:
    """What the command line names; the configuration is only read where nodes are asked."""
    asked = [bool(files), journal, kernel, nodes is not None]
    if sum(asked) > 1:
        raise UsageFault("Files, --journal, --kmsg and --node can't be combined", hint="Name one of them")
    if journal:
        return (_journal,)
    if kernel:
        return (_kmsg,)
    if nodes is not None:
        from aami_hpc.actions.explain_nodes import ask  # asyncssh costs more than all the rest

        wanted = nodes
        return (lambda reading: ask(settings(), wanted, reading, progress),)
    if not files and sys.stdin.isatty():
        raise UsageFault(
            "Name a log", hint="A file, - for a pipe (dmesg | aami-hpc explain log -), or --journal"
        )
    return tuple(partial(_of_file, path) for path in _by_age(files or (Path("-"),)))


def _by_age(files: Sequence[Path]) -> list[Path]:
    """Rotated logs, the oldest first, so that a fault that runs over two files stays one."""

    def age(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0

    return sorted(files, key=age) if len(files) > 1 else list(files)


def _of_file(path: Path, reading: Reading) -> Iterator[Event]:
    if str(path) == "-":
        yield from _of_stream(sys.stdin.buffer, "standard input", reading, time.time())
        return
    if path == kmsg.DEVICE:  # never ends by itself
        yield from _kmsg(reading)
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise storage_fault(error, path, "read") from error
    with stream:
        date = os.fstat(stream.fileno()).st_mtime
        yield from _of_stream(stream, str(path), reading, date)


def _of_stream(stream: BinaryIO, name: str, reading: Reading, date: float | None) -> Iterator[Event]:
    """A compressed log that ends too early is told up to there: it may be all there is."""
    told = 0
    try:
        with _plain(stream) as content:
            for event in aami_xid.read(content, year=reading.year, date=date, zone="local"):
                told += 1
                yield event
    except IsADirectoryError as error:
        raise storage_fault(error, Path(name), "read") from error
    except opened.damage() as error:
        if not told:
            raise StorageFault(
                f"Can't read {name}",
                cause=str(error) or "It ends too early",
                hint="Check the file: it may be damaged",
            ) from error
        reading.remarks.append(f"{name} is damaged or ends too early: only what stands before that was read.")
        reading.partial = True


@contextlib.contextmanager
def _plain(stream: BinaryIO) -> Iterator[Any]:
    try:
        content = opened.plain(stream)
    except opened.NoZstd:
        from aami_hpc.io.stream import output_of

        with output_of(["zstd", "-dcq"], feed=stream) as content:
            yield content
        return
    yield content


def _kmsg(reading: Reading) -> Iterator[Event]:
    return aami_xid.read(kmsg.records(), year=reading.year)


def _journal(reading: Reading) -> Iterator[Event]:
    """All boots. An empty answer would pass for a healthy machine, so the right to read is checked first."""
    from aami_hpc.io.run import SystemRunner
    from aami_hpc.io.stream import output_of

    base = ["journalctl", "-q", "--no-pager", "_TRANSPORT=kernel"]
    first = SystemRunner().run([*base, "-n", "1", "-o", "cat"], timeout=30)
    if not first.stdout.strip():
        raise PermissionRefused(
            "The journal shows no kernel line",
            cause=first.why if not first.ok else "This user may not see it, or there is none",
            hint="Run it with sudo, join the group systemd-journal, or use dmesg | aami-hpc explain log -",
        )
    since = [f"--since=@{int(reading.since)}"] if reading.since is not None else []
    with output_of([*base, "-o", "json", *since]) as stream:
        yield from aami_xid.read(stream)
