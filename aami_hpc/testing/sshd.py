"""A real OpenSSH server on loopback, started as the current user and always ended by its pid.

One server can listen on many ports: sixteen make sixteen hosts that share one process. Every option of
sshd_config can be set, so that a test meets the server as a site would have set it up.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_PORTS = 16  # sshd takes no more listening sockets
_ATTEMPTS = 5  # a port found free may be taken by somebody else before sshd has it
_START = 20.0  # seconds; a loaded machine is slow, a healthy one takes 0.05
_DEFAULTS = {
    "AcceptEnv": "none",
    "KbdInteractiveAuthentication": "no",
    "LogLevel": "VERBOSE",
    "MaxStartups": "500",
    "PasswordAuthentication": "no",
    "PermitRootLogin": "yes",
    "PidFile": "none",
    "PrintLastLog": "no",
    "PrintMotd": "no",
    "StrictModes": "no",
    "UseDNS": "no",
    "UsePAM": "no",
}


class SshdNotStarted(RuntimeError):
    """There is no sshd on this machine, or it refused its configuration; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class SshKeys:
    """A host key and a client key, made once and shared by as many servers as a test starts."""

    folder: Path

    @property
    def host(self) -> Path:
        return self.folder / "host_key"

    @property
    def client(self) -> Path:
        return self.folder / "client_key"

    @property
    def host_public(self) -> str:
        """Type and base64 of the host key, as known_hosts has them."""
        return _public(self.host)

    @property
    def client_public(self) -> str:
        return _public(self.client)


@dataclass(frozen=True, slots=True)
class SshNode:
    """A running server. `port` is the first of its ports."""

    address: str
    ports: tuple[int, ...]
    user: str
    keys: SshKeys
    folder: Path
    pid: int

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def log(self) -> str:
        """What the server has logged so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def crash(self) -> None:
        """Kill the server with its sessions, but not what runs in them: nobody tells those that it is gone."""
        for pid in (self.pid, *_descendants(self.pid)):
            if _name(pid).startswith("sshd"):
                _kill(pid, signal.SIGKILL)

    def known_hosts(self, *names: str) -> str:
        """Lines for known_hosts: every port, under the address or the given names."""
        return "".join(
            f"[{name}]:{port} {self.keys.host_public}\n"
            for name in names or (self.address,)
            for port in self.ports
        )


def make_keys(folder: Path) -> SshKeys:
    """Make a host key and a client key without a passphrase."""
    keys = SshKeys(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for path in (keys.host, keys.client):
        make_key(path)
    return keys


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """Make one key pair with ssh-keygen."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "aami-hpc test", "-f", str(path)],  # noqa: S607
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


@dataclass(frozen=True, slots=True)
class _Server:
    """What one server is started with."""

    folder: Path
    address: str
    keys: SshKeys
    ports: int
    options: Mapping[str, str]
    prefix: tuple[str, ...]
    program: Path
    after: str


@contextlib.contextmanager
def ssh_node(
    *,
    ports: int = 1,
    address: str = "127.0.0.1",
    keys: SshKeys | None = None,
    authorized: str | None = None,
    options: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
    program: Path | None = None,
    after: str = "",
) -> Iterator[SshNode]:
    """Run an sshd for the length of the block.

    `authorized` is the text of authorized_keys (default: the client key alone). `options` go before our
    defaults and win over them; `after` is appended to the configuration, for Match blocks. `prefix` is put
    before the server's command line, `unshare --mount` for instance. Sessions have an empty home folder, so
    that the login scripts of whoever runs the test have no say.
    """
    folder = Path(tempfile.mkdtemp(prefix="aami-sshd-"))
    folder.chmod(0o711)  # sshd reads authorized_keys as the user who logs in
    try:
        (folder / "home").mkdir()
        (folder / "home").chmod(0o1777)
        keys = keys or make_keys(folder)
        (folder / "authorized_keys").write_text(
            keys.client_public + "\n" if authorized is None else authorized, encoding="utf-8"
        )
        server = _Server(
            folder, address, keys, ports, options or {}, tuple(prefix), program or _sshd(), after
        )
        process, numbers = _start(server)
        try:
            yield SshNode(address, numbers, getpass.getuser(), keys, folder, process.pid)
        finally:
            _end(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(server: _Server) -> tuple[subprocess.Popen[bytes], tuple[int, ...]]:
    config = server.folder / "sshd_config"
    for _ in range(_ATTEMPTS):
        numbers = _free_ports(server.address, server.ports)
        config.write_text(_config(server, numbers), encoding="utf-8")
        process = _spawn(server.folder, [*server.prefix, str(server.program), "-D", "-e", "-f", str(config)])
        try:
            _await(server.folder, process, server.ports)
        except BaseException as error:
            _end(process)
            if isinstance(error, SshdNotStarted) and "Address already in use" in str(error):
                continue
            raise
        return process, numbers
    raise SshdNotStarted("no free port after several attempts")


def _sshd() -> Path:
    path = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise SshdNotStarted("sshd is not installed (Debian package openssh-server)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd locks up its unprivileged half
    return Path(path)


def _config(server: _Server, numbers: Sequence[int]) -> str:
    home = f"HOME={server.folder / 'home'}"
    options = {**server.options, "SetEnv": f"{home} {server.options.get('SetEnv', '')}".rstrip()}
    lines = [f"ListenAddress {server.address}:{number}" for number in numbers]
    lines += [f"{name} {value}" for name, value in options.items()]  # the first value of a word counts
    lines += [f"HostKey {server.keys.host}", f"AuthorizedKeysFile {server.folder / 'authorized_keys'}"]
    lines += [f"{name} {value}" for name, value in _DEFAULTS.items() if name not in server.options]
    return "\n".join(lines) + "\n" + server.after


def _spawn(folder: Path, argv: list[str]) -> subprocess.Popen[bytes]:
    # If this process is killed nobody is left to end the server: let the kernel do it.
    guard = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*guard, *argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await(folder: Path, process: subprocess.Popen[bytes], ports: int) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        said = (folder / "log").read_text(encoding="utf-8", errors="replace")
        if "Bind to port" in said or process.poll() is not None:
            raise SshdNotStarted(said.strip() or f"sshd ended with status {process.returncode}")
        if said.count("Server listening on") >= ports:
            return
        time.sleep(0.01)
    raise SshdNotStarted(f"sshd did not listen within {_START:.0f} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server, then the sessions that it has left behind: each of them is a process group of its own."""
    sessions = _descendants(process.pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            _kill(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
    for pid in sessions:
        _kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """The processes below this one, the nearest first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (
                (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
            )
            children.setdefault(int(parent), []).append(int(folder.name))
    found = children.get(pid, [])
    for one in found:
        found.extend(children.get(one, []))
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _free_ports(address: str, count: int) -> tuple[int, ...]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((address, 0))
        return tuple(one.getsockname()[1] for one in sockets)


def _public(key: Path) -> str:
    return " ".join(key.with_name(key.name + ".pub").read_text(encoding="ascii").split()[:2])
