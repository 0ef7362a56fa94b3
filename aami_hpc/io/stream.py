"""A program's output as it comes, for what is too large to hold: read a block, forget a block."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from aami_hpc.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BLOCK = 1 << 16
_GRACE = 0.5  # seconds between SIGKILL and giving the process up


@contextlib.contextmanager
def output_of(argv: Sequence[str], *, feed: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """The program's standard output; `feed` becomes its input. It is ended with the block.

    When its output was read to the end its status has to be 0, else CommandFailed.
    """
    with contextlib.ExitStack() as stack:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise CommandFailed(
                f"{argv[0]} can't be run", cause=error.strerror or str(error), hint=f"Install {argv[0]}"
            ) from error
        stack.callback(_end, process)
        if feed:
            threading.Thread(target=_pump, args=(feed, process.stdin), daemon=True).start()
        said: list[bytes] = []
        listener = threading.Thread(target=_listen, args=(process.stderr, said), daemon=True)
        listener.start()
        output = cast("BinaryIO", process.stdout)
        yield output
        if not output.read(1):
            _check(argv[0], process, listener, said)


def _check(
    program: str, process: subprocess.Popen[bytes], listener: threading.Thread, said: list[bytes]
) -> None:
    status = process.wait()
    listener.join(_GRACE)
    if status:
        last = b"".join(said).decode("utf-8", "replace").strip().splitlines()[-1:]
        raise CommandFailed(
            f"{program} ended with status {status}",
            cause=last[0] if last else "",
            hint=f"Run {program} by hand to see why",
        )


def _pump(source: BinaryIO, sink: IO[bytes] | None) -> None:
    """The reader may go away, and the source may be closed under us: then nobody wants the rest."""
    if sink is None:
        return
    with contextlib.suppress(OSError, ValueError):
        while block := source.read(_BLOCK):
            sink.write(block)
    with contextlib.suppress(OSError):
        sink.close()


def _listen(pipe: IO[bytes] | None, said: list[bytes]) -> None:
    """Keep the last words only, and never let the program wait for us."""
    while pipe and (block := pipe.read(_BLOCK)):
        said[:] = [block]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
