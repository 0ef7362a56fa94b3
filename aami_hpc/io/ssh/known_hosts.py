"""Known host keys: read once, asked by name, added to under a lock. The check can't be switched off.

Lines are those of ssh: plain, `[host]:port`, with patterns, hashed, `@cert-authority`, `@revoked`. What is known
under a host's name counts; what is known under its address counts only where nothing is known under its name.
"""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncssh

from aami_hpc.errors import SshHostKey
from aami_hpc.io.files import read_text, storage_fault
from aami_hpc.io.ssh.client_config import listed
from aami_hpc.io.ssh.plan import DEFAULT_PORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from aami_hpc.io.ssh.plan import Plan

_MARKERS = {"@cert-authority", "@revoked"}
_HASH_MAGIC = "|1|"
_KRL_MAGIC = "SSHKRL"


@dataclass(frozen=True, slots=True)
class Line:
    """One key of a file. The key is decoded when a host asks for it."""

    marker: str
    key: str  # type and base64

    def decoded(self) -> asyncssh.SSHKey | None:
        try:
            return asyncssh.import_public_key(self.key)
        except asyncssh.KeyImportError:  # a type this library does not have: it can't be negotiated either
            return None


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of one host."""

    keys: tuple[asyncssh.SSHKey, ...] = ()
    authorities: tuple[asyncssh.SSHKey, ...] = ()
    revoked: tuple[asyncssh.SSHKey, ...] = ()
    known: bool = False  # a key is known for this very name and port, so another one means a change


@dataclass(slots=True)
class KnownHosts:
    """The lines of some files."""

    exact: dict[str, list[Line]] = field(default_factory=dict)
    patterns: list[tuple[str, Line]] = field(default_factory=list)
    hashed: list[tuple[bytes, bytes, Line]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def read(self, path: Path) -> None:
        """Add a file's lines; a line that can't be read is left out with a remark."""
        for number, raw in enumerate(read_text(path).splitlines(), 1):
            line = raw.strip()
            if line and not line.startswith("#") and not self._take(line):
                self.remarks.append(f"{path}:{number}: not a line of known_hosts: left out")

    def trust(self, plan: Plan) -> Trust:
        """What is known of the host of this plan."""
        revoked: list[asyncssh.SSHKey] = []
        best = Trust()
        for name in _names(plan):
            found = self._named(name, plan.port)
            revoked.extend(found.revoked)
            if not (best.known or best.keys or best.authorities):
                best = found
        return Trust(best.keys, best.authorities, tuple(revoked), best.known)

    def _named(self, name: str, port: int) -> Trust:
        lines = list(self._lines(_form(name, port)))
        known = any(not line.marker for line in lines)
        if port != DEFAULT_PORT:  # as in ssh: a key known without the port is good, another one is no change
            more = list(self._lines(name))
            lines += [line for line in more if line.marker == "@revoked" or not known]
        return Trust(_keys(lines, ""), _keys(lines, "@cert-authority"), _keys(lines, "@revoked"), known)

    def _lines(self, form: str) -> Iterator[Line]:
        yield from self.exact.get(form, ())
        yield from (line for pattern, line in self.patterns if listed(form, pattern))
        data = form.encode()
        for salt, digest, line in self.hashed:
            if hmac.digest(salt, data, "sha1") == digest:
                yield line

    def _take(self, text: str) -> bool:
        marker, _, rest = text.partition(" ") if text.startswith("@") else ("", "", text)
        parts = rest.split(None, 2)
        if marker not in _MARKERS | {""} or len(parts) < 2:  # noqa: PLR2004 - names and key
            return False
        names = parts[0]
        line = Line(marker, " ".join(rest.split()[1:3]))
        if names.startswith("|"):
            return self._take_hash(names, line)
        if any(char in names for char in "*?!"):
            self.patterns.append((names.lower(), line))
        else:
            for name in names.lower().split(","):
                self.exact.setdefault(name, []).append(line)
        return True

    def _take_hash(self, names: str, line: Line) -> bool:
        if not names.startswith(_HASH_MAGIC):
            return False
        try:
            salt, digest = (base64.b64decode(part, validate=True) for part in names[3:].split("|"))
        except (ValueError, binascii.Error):
            return False
        self.hashed.append((salt, digest, line))
        return True


def read_known_hosts(paths: Iterable[Path]) -> KnownHosts:
    """Read these files; one that is not there says nothing."""
    known = KnownHosts()
    for path in paths:
        if path.is_file():
            known.read(path)
    return known


def read_revoked(path: Path) -> tuple[asyncssh.SSHKey, ...]:
    """The keys of RevokedHostKeys. As in ssh, a list that can't be read refuses every host."""
    text = read_text(path)
    if text.startswith(_KRL_MAGIC):
        raise SshHostKey(
            f"RevokedHostKeys {path} can't be read",
            cause="It is a key revocation list in ssh's binary form",
            hint="Name a text file with one public key a line, or use @revoked lines in known_hosts",
        )
    lines = [Line("@revoked", line) for line in text.splitlines() if line.strip() and line[0] != "#"]
    return _keys(lines, "@revoked")


def remember(path: Path, fresh: Sequence[tuple[Plan, asyncssh.SSHKey]]) -> list[str]:
    """Add new keys to known_hosts in one write, under a lock; the hosts that somebody made known meanwhile."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            now = read_known_hosts([path])
            known = [plan.target for plan, _ in fresh if now.trust(plan).known]
            _append(handle, "".join(_line(plan, key) for plan, key in fresh if plan.target not in known))
        finally:
            os.close(handle)
    except OSError as error:
        raise storage_fault(error, path, "write") from error
    return known


def _append(handle: int, text: str) -> None:
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        text = "\n" + text
    data = text.encode()
    if os.write(handle, data) != len(data):  # the disk is full: leave no torn line behind
        os.ftruncate(handle, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(handle)


def _line(plan: Plan, key: asyncssh.SSHKey) -> str:
    """The line that makes this key known, under the host's name and address."""
    exported = " ".join(key.export_public_key().decode("ascii").split()[:2])
    forms = [_form(name, plan.port) for name in _names(plan)]
    if not plan.hashed:
        return f"{','.join(forms)} {exported}\n"
    return "".join(f"{_hash(form)} {exported}\n" for form in forms)


def _names(plan: Plan) -> tuple[str, ...]:
    """The names a host is known by, the decisive one first."""
    if plan.alias:
        return (plan.alias,)
    return tuple(dict.fromkeys((plan.name, plan.address.lower())))


def _form(name: str, port: int) -> str:
    return name if port == DEFAULT_PORT else f"[{name}]:{port}"


def _keys(lines: Iterable[Line], marker: str) -> tuple[asyncssh.SSHKey, ...]:
    return tuple(key for line in lines if line.marker == marker and (key := line.decoded()) is not None)


def _hash(form: str) -> str:
    salt = os.urandom(hashlib.sha1(usedforsecurity=False).digest_size)
    digest = hmac.digest(salt, form.encode(), "sha1")
    return _HASH_MAGIC + "|".join(base64.b64encode(part).decode("ascii") for part in (salt, digest))
