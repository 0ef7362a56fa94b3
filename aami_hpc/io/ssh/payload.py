"""A file to send: its size and checksum are found once, however many hosts receive it."""

from __future__ import annotations

import hashlib
import secrets
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aami_hpc.io.files import storage_fault
from aami_hpc.io.ssh.aside import aside

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path, PurePosixPath

_CHUNK = 256 * 1024

# Writes beside the target and moves in one step; leaves nothing of its own behind, whatever goes wrong. It needs
# neither SFTP nor the right to execute anything in the target folder or /tmp.
_RECEIVE = """\
d={target} t={temporary}
fail() {{ rm -f "$t"; printf "%s\\n" "$1" >&2; exit 9; }}
trap 'rm -f "$t"; exit 9' HUP INT TERM
[ ! -d "$d" ] || fail "The target is a folder"
umask 077
head -c {size} > "$t" || fail "It could not be written"
g=$(sha256sum < "$t" || openssl dgst -sha256 -r < "$t" || python3 -c "{python}" < "$t") 2>/dev/null
[ "$g" ] || fail "There is no sha256sum, openssl or python3 to check the file with"
g=${{g%% *}}
[ "$g" = {digest} ] || fail "It did not arrive whole: its checksum is $g"
chmod {mode:o} "$t" && mv -f "$t" "$d" || fail "It could not be moved into place"
printf "%s\\n" "$g"
"""
_PYTHON = "import hashlib,sys;print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"


@dataclass(frozen=True, slots=True)
class Payload:
    """What is sent."""

    path: Path
    size: int
    digest: str

    @classmethod
    def of(cls, path: Path) -> Payload:
        """Look at the file; what is sent later must still be the same."""
        summary, size = hashlib.sha256(), 0
        try:
            with path.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    summary.update(chunk)
                    size += len(chunk)
        except OSError as error:
            raise storage_fault(error, path, "read") from error
        return cls(path, size, summary.hexdigest())

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The content, read beside the loop: a file system that hangs must not hang the other hosts."""
        with await aside(lambda: self.path.open("rb", buffering=0)) as stream:
            while chunk := await aside(lambda: stream.read(_CHUNK)):
                yield chunk

    def receiver(self, target: PurePosixPath, mode: int) -> str:
        """The script that takes the content from its standard input."""
        temporary = target.with_name(f".{target.name}.aami-{secrets.token_hex(6)}")
        return _RECEIVE.format(
            target=shlex.quote(str(target)),
            temporary=shlex.quote(str(temporary)),
            size=self.size,
            digest=self.digest,
            mode=mode,
            python=_PYTHON,
        )
