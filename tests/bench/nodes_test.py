"""`nodes test` on 64 SSH endpoints against ansible-core doing the same, both from process start to end.

Ansible is installed into a virtual environment of its own, below the user's cache; nothing else needs it. It is
given every advantage it has: 64 forks, pipelining, connection reuse, its interpreter named. Both use the same
key, check host keys against the same file, and log in anew in every run.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aami_hpc.testing.sshd import MAX_PORTS, SshKeys, SshNode, make_keys, ssh_node
from tests.bench import Measured, in_turns, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HOSTS = 64
RUNS = 5
SETTLE = 0.5  # seconds for the servers to end the sessions of the run before
COMMAND = [sys.executable, "-m", "aami_hpc"]
PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
PROBE = "id -u; uname -n; date +%s; command -v python3 && python3 -V; grep ' /tmp ' /proc/mounts || true"
# `ping` is Ansible's own way to do the same: log in and see whether shell and Python can be used. `raw` is the
# least it can do: one line for the login shell. The servers take their share of the same processors in all three,
# so the ratio is smaller here than between machines.
WAYS = {
    "ping": (5.0, ["-m", "ansible.builtin.ping"]),
    "raw": (4.0, ["-m", "ansible.builtin.raw", "-a", PROBE]),
}


@dataclass(frozen=True, slots=True)
class Site:
    """64 endpoints, and how each of the two tools is told of them."""

    folder: Path
    env: dict[str, str]
    config: Path
    inventory: Path

    def ours(self) -> float:
        return seconds([*COMMAND, "nodes", "test", "--json", "--config", str(self.config)], self.env)

    def ansible(self, program: Path, way: Sequence[str]) -> float:
        """One run with sockets of its own: a connection that an earlier run left open would be no login."""
        with tempfile.TemporaryDirectory(prefix="aami-b-") as sockets:
            env = {**self.env, "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets}
            argv = [str(program), "all", "-i", str(self.inventory), "-f", str(HOSTS), *way]
            try:
                return seconds(argv, env)
            finally:
                for path in Path(sockets).iterdir():
                    _quietly("ssh", "-O", "exit", "-S", str(path), "-F", "none", "127.0.0.1")
                time.sleep(SETTLE)


def measure() -> Iterator[Measured]:
    """Our time against each of Ansible's ways."""
    program = ansible()
    version = _version(program)
    with site() as made:
        for name, (limit, way) in WAYS.items():
            ours, theirs = in_turns(made.ours, partial(made.ansible, program, way), RUNS)
            yield Measured(
                f"`nodes test`, {HOSTS} SSH hosts, against `ansible -m {name}`",
                theirs / ours,
                limit,
                f"{ours:.2f} s",
                f"{version}, {theirs:.2f} s",
                RUNS,
                at_least=True,
            )


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """Start the endpoints: sshd takes sixteen ports, so four of it make 64."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aami-bench-")))
        keys = make_keys(folder / "keys")
        nodes = [stack.enter_context(ssh_node(ports=MAX_PORTS, keys=keys)) for _ in range(HOSTS // MAX_PORTS)]
        endpoints = {
            f"gpu-{number:03}": port
            for number, port in enumerate((port for node in nodes for port in node.ports), 1)
        }
        yield _site(folder, keys, nodes, endpoints)


def _site(folder: Path, keys: SshKeys, nodes: Sequence[SshNode], endpoints: Mapping[str, int]) -> Site:
    known, config, inventory = folder / "known_hosts", folder / "config.yaml", folder / "hosts.ini"
    (folder / "ssh_config").write_text("IdentityAgent none\nGlobalKnownHostsFile none\n")
    known.write_text("".join(node.known_hosts() for node in nodes))
    ssh = {"config_file": folder / "ssh_config", "known_hosts": known, "identity_files": f"[{keys.client}]"}
    (folder / "no-slurm").mkdir()  # what is measured is SSH
    config.write_text(
        f"slurm: {{bin_dir: {folder}/no-slurm}}\n"
        "ssh:\n"
        + "".join(f"  {key}: {value}\n" for key, value in ssh.items())
        + "nodes:\n"
        + "".join(f"  {name}: {{address: 127.0.0.1, ssh_port: {port}}}\n" for name, port in endpoints.items())
    )
    common = f"-F none -o IdentityAgent=none -o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes"
    inventory.write_text(
        "".join(f"{name} ansible_host=127.0.0.1 ansible_port={port}\n" for name, port in endpoints.items())
        + "[all:vars]\n"
        + f"ansible_user={nodes[0].user}\nansible_ssh_private_key_file={keys.client}\n"
        + f"ansible_python_interpreter={PYTHON}\nansible_ssh_common_args={json.dumps(common)}\n"
    )
    fast = {"ANSIBLE_PIPELINING": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(folder / "tmp")}
    return Site(folder, {**os.environ, **fast}, config, inventory)


def ansible() -> Path:
    """The yardstick, installed once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aami-hpc" / "bench-ansible"
    program = cache / "bin" / "ansible"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", cache], check=True)
        subprocess.run([cache / "bin" / "pip", "install", "-q", "ansible-core"], check=True)
    return program


def _version(program: Path) -> str:
    """`ansible [core 2.19.1]` as words."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split("]")[0].replace("[", "")


def _quietly(*argv: str) -> None:
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def main() -> int:
    """Print one line for each figure; status 1 when a promise is not kept."""
    kept = True
    for found in measure():
        print(
            f"{found.name}: {found.ratio:.1f} × faster (promised {found.limit:g}): {found.ours}; {found.yardstick}"
        )
        kept = kept and found.kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
