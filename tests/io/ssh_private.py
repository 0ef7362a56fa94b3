"""An sshd with an /etc of its own: users, login shells, PAM and sudo rules as a test wants them. Needs root.

The server is started in a private mount namespace with a layer over /etc; nothing of the machine changes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.testing.sshd import SshNode, ssh_node
from tests.lab.require import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aami_hpc.testing.sshd import SshKeys

_START = """
set -e
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1,workdir=$2" /etc
eval "$3"
shift 3
exec "$@"
"""
_FIRST_UID = 61000


@dataclass(frozen=True, slots=True)
class Etc:
    """What differs from the machine's own /etc. `users` maps a name to its login shell."""

    users: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # below /etc
    mounts: str = ""  # more shell commands inside the namespace


@contextlib.contextmanager
def private_node(
    etc: Etc, *, keys: SshKeys | None = None, options: Mapping[str, str] | None = None
) -> Iterator[SshNode]:
    """Run an sshd that sees this /etc."""
    if os.geteuid() != 0:
        unavailable("a private /etc for sshd needs root")
    folder = Path(tempfile.mkdtemp(prefix="aami-etc-"))
    try:
        upper, work = folder / "upper", folder / "work"
        upper.mkdir()
        work.mkdir()
        _populate(upper, folder, etc)
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _START, "sh"]
        prefix += [str(upper), str(work), etc.mounts or ":"]
        with ssh_node(keys=keys, options=options, prefix=prefix) as node:
            yield node
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _populate(upper: Path, folder: Path, etc: Etc) -> None:
    folder.chmod(0o755)
    passwd, shadow = Path("/etc/passwd").read_text(), Path("/etc/shadow").read_text()
    for uid, (name, shell) in enumerate(etc.users.items(), _FIRST_UID):
        home = folder / name
        home.mkdir()
        os.chown(home, uid, uid)
        passwd += f"{name}:x:{uid}:{uid}::{home}:{shell}\n"
        shadow += f"{name}:*:19000:0:99999:7:::\n"
    _write(upper / "passwd", passwd, 0o644)
    _write(upper / "shadow", shadow, 0o640)
    for name, text in etc.files.items():
        path = upper / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, text, 0o440 if name.startswith("sudoers") else 0o644)


def _write(path: Path, text: str, mode: int) -> None:
    path.write_text(text)
    path.chmod(mode)
