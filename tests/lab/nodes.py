"""Real nodes: systemd, sshd, a network namespace each, over one base tree; a head node among them.

    with NodeLab(ledger, nodes=("gpu001", "gpu002")) as lab:
        lab.nodes["gpu001"].run("hostname")

The nodes see each other and the lab's namespace, and nothing else.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import node_needs, node_root, trees
from tests.lab.cgroups import Cgroups
from tests.lab.net import LAB_ADDRESS, Network, hosts_file
from tests.lab.node import Node
from tests.lab.node_root import NodeRoot, new_key
from tests.lab.node_slurm import NodeSlurm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from tests.lab.ledger import Ledger
    from tests.lab.net import Port

REPOSITORY = Path(__file__).parents[2]
_NSPAWN = Path("/run/systemd/nspawn")  # where a killed systemd-nspawn leaves traces


class NodeLab:
    """A head node and compute nodes, from boot to end."""

    def __init__(
        self,
        ledger: Ledger,
        nodes: Sequence[str] = ("gpu001", "gpu002", "gpu003"),
        head: str = "head",
        *,
        slurm: bool = False,
        gpus: int = 0,
        hostnames: Mapping[str, str] | None = None,
        checkout: bool = True,
    ) -> None:
        """`hostnames` maps Slurm names to other host names; `checkout` shows this repository on the head."""
        self._names = (head, *nodes)
        self._hostnames = dict(hostnames or {})
        self._checkout = checkout
        self._outer = ledger
        self._slurm = NodeSlurm(gpus) if slurm else None
        self._machines: dict[str, Node] = {}

    # --- life

    def __enter__(self) -> Self:
        node_needs.check(len(self._names))
        tree = trees.ensure(node_root.SUITE, node_root.PACKAGES, name="node", finish=node_root.finish())
        self.ledger = self._outer.inner("nodes")
        try:
            self._build(tree.path)
            for node in self._machines.values():
                self.boot(node)
            self.wait_running()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every node and remove all that was made for them."""
        self.ledger.close()
        for node in self._machines.values():
            node.close()

    def boot(self, node: Node) -> None:
        """Start a node, with its cable in; `node.wait_ready()` tells when it is up."""
        self.network.mend(node.name)
        node.boot(_shown_on_the_head() if self._checkout and node is self.head else ())

    def wait_running(self) -> None:
        """Wait until every node is up, with Slurm if it was asked for."""
        for node in self._machines.values():
            node.wait_ready()
        if self._slurm is not None:
            self._slurm.wait_idle(self)

    # --- what there is

    @property
    def head(self) -> Node:
        return self._machines[self._names[0]]

    @property
    def nodes(self) -> dict[str, Node]:
        """The compute nodes by their Slurm names."""
        return {name: self._machines[name] for name in self._names[1:]}

    @property
    def machines(self) -> tuple[Node, ...]:
        """The head node, then the compute nodes."""
        return tuple(self._machines.values())

    @property
    def identity(self) -> Path:
        """The private key that every account on every node accepts."""
        return self.ledger.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.ledger.folder / "known_hosts"

    @property
    def ssh_options(self) -> tuple[str, ...]:
        return (
            *("BatchMode=yes", "IdentitiesOnly=yes", "ConnectTimeout=10"),
            *(f"IdentityFile={self.identity}", "GlobalKnownHostsFile=/dev/null"),
            *(f"UserKnownHostsFile={self.known_hosts}", "StrictHostKeyChecking=yes"),
        )

    def exec(
        self,
        argv: Sequence[str | Path],
        *,
        timeout: float = 60,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine on the lab's network, however it ends."""
        return subprocess.run(
            self.network.inside(*argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=None if env is None else dict(env),
            cwd=cwd,
        )

    def product(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `aami-hpc` of this checkout on the lab's network."""
        return self.exec([sys.executable, "-m", "aami_hpc", *arguments], timeout=timeout, cwd=REPOSITORY)

    def head_product(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `aami-hpc` of this checkout on the head node, as root there."""
        command = shlex.join([sys.executable, "-m", "aami_hpc", *arguments])
        return self.head.try_run(f"cd {shlex.quote(str(REPOSITORY))} && {command}", timeout=timeout)

    def cut(self, name: str) -> None:
        """Pull a node's network cable."""
        self.network.cut(name)

    def mend(self, name: str) -> None:
        self.network.mend(name)

    # --- building

    def _build(self, tree: Path) -> None:
        """Everything that must be written down comes before the first process, so that all end at once."""
        layers = self.ledger.folder / "layers"
        self.network = Network(self.ledger)
        self.cgroups = Cgroups(self.ledger)
        self.ledger.mount("-t", "tmpfs", source=self.network.tag, target=layers)
        key = new_key(self.ledger, self.identity, "lab")
        addresses = {"lab": LAB_ADDRESS}
        for index, name in enumerate(self._names):
            port = self.network.plug_in(name, f"10.77.1.{index + 1}")
            addresses[name] = port.address
            self._machines[name] = self._furnish(port, self._overlay(tree, layers, name))
        addresses |= {node.hostname: node.address for node in self.machines if node.hostname != node.name}
        self.network.know(addresses)
        for node in self.machines:
            node.root.name(node.hostname, hosts_file(addresses))
            node.root.let_in(f"{key} lab\n")
        self.known_hosts.write_text(
            "".join(f"{node.name},{node.hostname},{node.address} {node.host_key}\n" for node in self.machines)
        )
        self.head.root.write("/root/.ssh/id_ed25519", self.identity.read_text(), mode=0o600)
        self.head.root.write("/root/.ssh/known_hosts", self.known_hosts.read_text(), mode=0o600)
        if self._slurm is not None:
            self._slurm.install(self)

    def _overlay(self, tree: Path, layers: Path, name: str) -> Path:
        upper, work, root = (layers / name / part for part in ("upper", "work", "root"))
        for folder in (upper, work):
            folder.mkdir(parents=True)
        options = f"lowerdir={tree},upperdir={upper},workdir={work}"
        self.ledger.mount("-t", "overlay", "-o", options, source=self.network.tag, target=root)
        found = root.stat()
        self.ledger.undo("rm", "-f", _NSPAWN / f"locks/inode-{found.st_dev}:{found.st_ino}")
        return root

    def _furnish(self, port: Port, root: Path) -> Node:
        self.cgroups.make(port.namespace)
        self.ledger.keep_track_of(_NSPAWN / "propagate" / port.namespace)
        hostname = self._hostnames.get(port.name, port.name)
        node = Node(self, port, hostname, NodeRoot(root, self.ledger))
        node.host_key = node.root.host_key(hostname)
        return node


def _shown_on_the_head() -> list[str]:
    """This repository and the interpreter that runs us, at the same paths, read-only."""
    shown: list[Path] = []
    for folder in (REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)):
        if folder != Path("/usr") and not any(folder.is_relative_to(other) for other in shown):
            shown.append(folder)
    return ["--bind-ro=" + str(folder).replace(":", r"\:") for folder in shown]
