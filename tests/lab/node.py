"""One real node: a systemd of its own, reached over SSH as an administrator would, or from behind for repairs."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from tests.lab.ledger import LabError
from tests.lab.node_root import NodeRoot, new_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.lab.net import Port
    from tests.lab.nodes import NodeLab

_BOOT_LIMIT = 90.0
_AGAIN_AFTER_REBOOT = """
node= ending=
trap 'ending=yes; [ -z "$node" ] || kill "$node"' TERM
until [ "$ending" ]; do
    "$@" & node=$!
    wait "$node"; status=$?
    while kill -0 "$node" 2>/dev/null; do wait "$node"; status=$?; done
    [ "$status" = 133 ] || exit "$status"
done
"""  # systemd-nspawn ends with 133 when its machine wants to start again
_PLAIN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class Node:
    """A machine of the lab. Its Slurm name is `name`; what it calls itself is `hostname`."""

    def __init__(self, lab: NodeLab, port: Port, hostname: str, root: NodeRoot) -> None:
        self.name = port.name
        self.hostname = hostname
        self.address = port.address
        self.namespace = port.namespace
        self.root = root
        self.host_key = ""
        self._lab = lab
        self._leader = 0
        self._ready = False
        self._process: subprocess.Popen[bytes] | None = None
        self._news = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._news.bind(f"\0{self.namespace}")

    # --- as people reach it

    def ssh_argv(self, *command: str, user: str = "root", options: Sequence[str] = ()) -> list[str]:
        """The ssh command line from the lab's network; run it with `lab.exec`."""
        given = [part for option in (*self._lab.ssh_options, *options) for part in ("-o", option)]
        return ["ssh", "-F", "none", *given, f"{user}@{self.address}", *command]

    def try_run(
        self, command: str, *, user: str = "root", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command over SSH, however it ends."""
        return self._lab.exec(self.ssh_argv(command, user=user), timeout=timeout)

    def run(self, command: str, *, user: str = "root", timeout: float = 60) -> str:
        """Run a shell command over SSH; its output, or a LabError."""
        done = self.try_run(command, user=user, timeout=timeout)
        if done.returncode != 0:
            raise LabError(
                f"{self.name}: {command!r} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    # --- from behind, without its network

    def inside(self, *argv: str, timeout: float = 60) -> str:
        """Run a program in the node without SSH; its output, or a LabError."""
        enter = ("nsenter", "--target", str(self.leader), "--all", "--wd", "--")
        return self._lab.ledger.run(*enter, *argv, timeout=timeout, env=_PLAIN)

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Put a file into the running node."""
        script = 'mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1" && chmod "$3" "$1"'
        self.inside("sh", "-c", script, "sh", path, text, f"{mode:o}")

    # --- life

    def boot(self, options: Sequence[str]) -> None:
        """Start it; `wait_ready` tells when it has come up. When it reboots itself it comes up again."""
        argv = (
            *("systemd-nspawn", "--quiet", "--directory", str(self.root.path), "--boot", "--settings=no"),
            *("--register=no", "--keep-unit", "--notify-ready=yes", f"--machine={self.namespace}"),
            *(f"--hostname={self.hostname}", f"--network-namespace-path=/run/netns/{self.namespace}"),
            *("--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe"),
            *options,
        )
        self._ready = False
        self._process = self._lab.ledger.start(
            self._lab.cgroups.enter(self.namespace, ("sh", "-c", _AGAIN_AFTER_REBOOT, "sh", *argv)),
            log=f"{self.name}.log",
            env={**os.environ, "NOTIFY_SOCKET": f"@{self.namespace}"},
        )

    def wait_ready(self) -> None:
        """Wait until its systemd says that everything it should start is started, and started well."""
        deadline = time.monotonic() + _BOOT_LIMIT
        self._listen()
        while not self._ready:
            if time.monotonic() > deadline or self._process is None or self._process.poll() is not None:
                raise LabError(f"{self.name} did not boot:\n{self._lab.ledger.tail(f'{self.name}.log')}")
            self._listen(0.5)
        try:
            self.inside("systemctl", "is-system-running", "--wait")
        except LabError as error:
            failed = self.inside("systemctl", "list-units", "--failed", "--plain", "--no-legend")
            raise LabError(f"{self.name} is {error}\n{failed}") from error

    @property
    def leader(self) -> int:
        """The pid, on this machine, of the node's own process 1."""
        self._listen()
        return self._leader

    def _listen(self, patience: float = 0.0) -> None:
        """Hear all that systemd-nspawn has to tell: which process is the node's first, and that it is up."""
        self._news.settimeout(patience)
        with contextlib.suppress(TimeoutError, BlockingIOError):
            while True:
                said = self._news.recv(4096).decode().splitlines()
                self._news.settimeout(0)
                for line in said:
                    if line.startswith("X_NSPAWN_LEADER_PID="):
                        self._leader, self._ready = int(line.partition("=")[2]), False
                    self._ready = self._ready or line == "READY=1"

    def reboot(self) -> None:
        """Let it reboot itself, and wait for it."""
        self._listen()
        self._ready = False
        self.inside("systemctl", "reboot")
        self.wait_ready()

    def pull_the_plug(self) -> None:
        """End it at once, with everything on it. `lab.boot(node)` starts it again from what it has on disk."""
        if self._process is None:
            return
        self._lab.network.cut(self.name)
        os.kill(self.leader, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._lab.ledger.end(self._process.pid)
        self._process = None

    def close(self) -> None:
        self._news.close()

    # --- what goes wrong on it

    @contextlib.contextmanager
    def full_disk(self, path: str = "/var/lib/aami-hpc", size: str = "64k") -> Iterator[None]:
        """The file system at the path has no space left."""
        with self._mounted(path, "tmpfs", f"size={size}"):
            with contextlib.suppress(LabError):  # ends when the disk is full, which is the point
                self.inside("dd", "if=/dev/zero", f"of={path}/filler", "bs=4k")
            yield

    @contextlib.contextmanager
    def read_only(self, path: str = "/var/lib/aami-hpc") -> Iterator[None]:
        """The file system at the path can't be written, as after an error of the disk."""
        with self._mounted(path, "tmpfs", "size=64k"):
            self.inside("mount", "-o", "remount,ro", path)
            yield

    @contextlib.contextmanager
    def stopped(self, unit: str) -> Iterator[None]:
        """A service is down."""
        self.inside("systemctl", "stop", unit)
        try:
            yield
        finally:
            self.inside("systemctl", "start", unit)

    @contextlib.contextmanager
    def hung(self, unit: str) -> Iterator[None]:
        """A service takes connections and never answers."""
        self.inside("systemctl", "kill", "--signal=STOP", unit)
        try:
            yield
        finally:
            self.inside("systemctl", "kill", "--signal=CONT", unit)

    @contextlib.contextmanager
    def changed_host_key(self) -> Iterator[str]:
        """The host has another key than `lab.known_hosts` says, as after a new installation."""
        folder = "/etc/ssh"
        key = self._lab.ledger.folder / f"{self.name}.other-key"
        public = new_key(self._lab.ledger, key, "changed")
        self.inside("cp", "-a", f"{folder}/ssh_host_ed25519_key", f"{folder}/kept")
        self._use_host_key(key)
        try:
            yield public
        finally:
            self.inside("mv", f"{folder}/kept", f"{folder}/ssh_host_ed25519_key")
            self.inside("systemctl", "restart", "ssh.service")

    def _use_host_key(self, key: Path) -> None:
        self.write("/etc/ssh/ssh_host_ed25519_key", key.read_text(), mode=0o600)
        self.inside("systemctl", "restart", "ssh.service")

    @contextlib.contextmanager
    def only_with_a_job(self) -> Iterator[None]:
        """People without a job on it are turned away by pam_slurm_adopt; root is not."""
        rule = "account required pam_slurm_adopt.so"
        self.inside("sed", "-i", f"$ a {rule}", "/etc/pam.d/sshd")
        try:
            yield
        finally:
            self.inside("sed", "-i", f"/^{rule}$/d", "/etc/pam.d/sshd")

    @contextlib.contextmanager
    def _mounted(self, path: str, kind: str, options: str) -> Iterator[None]:
        self.inside("mkdir", "-p", path)
        self.inside("mount", "-t", kind, "-o", options, "lab", path)
        try:
            yield
        finally:
            self.inside("umount", "--lazy", path)

    def __repr__(self) -> str:
        return f"Node({shlex.quote(self.name)}, {self.address})"
