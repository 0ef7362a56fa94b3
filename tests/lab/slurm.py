"""A real Slurm cluster on this machine: one controller, many slurmd, fake GPU devices, ports and folders of its own."""

from __future__ import annotations

import os
import secrets
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.lab import accounting as accounts
from tests.lab import chroot, munge
from tests.lab import ports as free_ports
from tests.lab.clients import Clients
from tests.lab.ledger import LabError
from tests.lab.processes import Identity, marked
from tests.lab.releases import Release, install
from tests.lab.slurm_conf import (
    DEFAULT_PARTITIONS,
    Host,
    Layout,
    NodeGroup,
    Ports,
    Wish,
    cgroup_conf,
    gres_conf,
    slurm_conf,
)
from tests.lab.waiting import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from tests.lab.ledger import Ledger

_NVIDIA_MAJOR = 195
_DAEMON_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_START_LIMIT = 60.0
_PER_NODE = 1.0  # seconds more for each node


class SlurmCluster(Clients):
    """Use it in a `with` statement: it is up inside and gone afterwards.

    `nodes` is a number of nodes that have `gpus` GPUs each, or a list of NodeGroup. `extra` sets or replaces
    any key of slurm.conf, `hooks` maps a key such as `Prolog` to a script's text, `lines` are added as they
    are. `shared` names folders of this machine that a release in its own root has to see.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        release: Release = Release.BOOKWORM,
        nodes: int | Sequence[NodeGroup] = 3,
        gpus: int = 8,
        gres_type: str = "h100",
        features: Sequence[str] = (),
        partitions: Mapping[str, str] = DEFAULT_PARTITIONS,
        extra: Mapping[str, str] | None = None,
        hooks: Mapping[str, str] | None = None,
        lines: Sequence[str] = (),
        accounting: bool = False,
        name: str = "",
        shared: Sequence[Path] = (),
    ) -> None:
        if isinstance(nodes, int):
            nodes = (NodeGroup(nodes, gpus, gres_type, tuple(features)),)
        self.ledger = ledger.inner(f"slurm-{release.value}")
        try:
            self.layout = Layout(self.ledger.folder / "cluster")
            self.layout.make()
            self.installation = install(self.ledger, release, shared=(self.layout.base, *shared))
            self.name = name or f"lab{secrets.token_hex(3)}"
            self.host = Host.here()
            written = {key: str(self.hook(key.lower(), text)) for key, text in (hooks or {}).items()}
            self._wish = Wish(
                self.name, tuple(nodes), partitions, {**(extra or {}), **written}, tuple(lines), accounting
            )
            self._block = free_ports.lease(3 + len(self._wish.nodes))
            self.ports = Ports(self._block[0], self._block[1], self._block[2], self._block[3])
            bin_dir = self.installation.clients(self.ledger.folder / "bin", self.layout.conf)
        except BaseException:
            self.ledger.close()
            raise
        super().__init__(bin_dir, self.layout.conf, self.layout.jobs, self.ledger.mark)
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def nodes(self) -> tuple[str, ...]:
        return self._wish.nodes

    @property
    def version(self) -> str:
        """As the programs themselves say: `22.05.8`."""
        return self.installation.version

    def start(self) -> None:
        """Start everything and wait until all nodes are idle."""
        self._write_conf()
        munge.start(self.ledger, self.installation, self.layout)
        if self._wish.accounting:
            accounts.start(self.ledger, self.installation, self.layout, self.ports, self.host)
            self._sacctmgr("cluster", self.name)
        self.start_controller()
        if self._wish.accounting:
            self._sacctmgr("account", accounts.ACCOUNT)
            self._sacctmgr("user", "root", f"account={accounts.ACCOUNT}")
        self.start_nodes()

    def close(self) -> None:
        """End everything and remove every trace."""
        self.ledger.close()
        self._block.release()

    def hook(self, name: str, text: str) -> Path:
        """Write an executable script that this cluster's daemons can call."""
        path = self.layout.hooks / name
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def reconfigure(self, **extra: str) -> None:
        """Change keys of slurm.conf in the running cluster; an empty value takes a key out."""
        self.conf.write_text(self._conf_text(extra))
        self.scontrol("reconfigure")
        self._wait_controller()

    def start_controller(self) -> None:
        """Start slurmctld, or wake the one that hangs, and wait until it answers."""
        pid = self._controller_pid()
        if pid:
            os.kill(pid, signal.SIGCONT)
        else:
            self._daemon("slurmctld", "slurmctld")
        self._wait_controller()

    def stop_controller(self) -> None:
        """Stop slurmctld in good order; its state is kept for the next start."""
        pid = self._controller_pid()
        if pid:
            os.kill(pid, signal.SIGCONT)
            self.ledger.end(pid, signal.SIGTERM)
        self.ledger.end(self._daemons.pop("slurmctld").pid, signal.SIGTERM)

    def hang_controller(self) -> None:
        """Freeze slurmctld: the kernel goes on accepting its connections, and nobody ever answers."""
        pid = self._controller_pid()
        if not pid:
            raise LabError("slurmctld does not run")
        os.kill(pid, signal.SIGSTOP)

    def start_nodes(self, *names: str) -> None:
        """Start the slurmd of these nodes (default: all that don't run) and wait until they are idle."""
        wanted = names or tuple(name for name in self.nodes if name not in self._daemons)
        for name in wanted:
            self._daemon(name, "slurmd", "-N", name)
        self._wait_nodes(wanted)

    def stop_nodes(self, *names: str) -> None:
        """Kill the slurmd of these nodes (default: all) with the jobs on them."""
        for name in names or self.nodes:
            self.ledger.end(self._daemons.pop(name).pid, signal.SIGKILL)

    def reset(self) -> None:
        """Back to how it started: no job, controller and nodes up and idle, the first configuration."""
        self.start_controller()
        if self.conf.read_text() != self._conf_text({}):
            self.reconfigure()
        jobs = self.ask("squeue", "--noheader", "--format=%A").split()
        if jobs:
            self.ask("scancel", *sorted(set(jobs)))
        for name, state in self.node_states().items():
            if state.startswith(("DOWN", "DRAIN", "FAIL")):
                self.call("scontrol", "update", f"nodename={name}", "state=resume")
        self.start_nodes()
        self._wait_nodes(self.nodes)

    def logs(self, daemon: str = "slurmctld", size: int = 4000) -> str:
        """The end of a daemon's log: `slurmctld`, `slurmdbd` or a node's name."""
        path = self.layout.log / f"{daemon}.log"
        said = path.read_text(errors="replace")[-size:] if path.exists() else f"({path} was not written)\n"
        return said + self.ledger.tail(f"{daemon}.out", size=size)

    def _sacctmgr(self, kind: str, *words: str) -> None:
        self.ask("sacctmgr", "--immediate", "add", kind, *words)

    def _conf_text(self, extra: Mapping[str, str]) -> str:
        wish = replace(self._wish, extra={**self._wish.extra, **extra})
        return slurm_conf(wish, self.layout, self.ports, self.host)

    def _write_conf(self) -> None:
        self.conf.write_text(self._conf_text({}))
        (self.layout.etc / "gres.conf").write_text(gres_conf(self._wish.groups, self.layout.devices))
        (self.layout.etc / "cgroup.conf").write_text(cgroup_conf(self.installation.judged.capabilities))
        for number in range(max((group.gpus for group in self._wish.groups), default=0)):
            chroot.device(self.layout.devices / f"nvidia{number}", _NVIDIA_MAJOR, number)

    def _daemon(self, name: str, program: str, *arguments: str | Path) -> None:
        argv = self.installation.argv(program, "-D", "-f", self.conf, *arguments)
        self._daemons[name] = self.ledger.start(
            argv, log=f"{name}.out", env={"PATH": _DAEMON_PATH}, cwd=self.layout.log, stop=signal.SIGKILL
        )

    def _controller_pid(self) -> int:
        """The pid of slurmctld, which newer releases replace when they are reconfigured; 0 if there is none."""
        try:
            pid = int(self.layout.pid_file.read_text())
        except (OSError, ValueError):
            return 0
        return pid if Identity.of(pid) in marked(self.ledger.folder) else 0

    def _port(self, node: str) -> int:
        return self.ports.nodes + self.nodes.index(node)

    def _wait_controller(self) -> None:
        def answers() -> bool:
            self.ledger.check(self._daemons["slurmctld"], "slurmctld", "slurmctld.out")
            return free_ports.listening(self.ports.controller) and self.is_answering()

        until(answers, "slurmctld to answer", timeout=_START_LIMIT, evidence=self.logs)

    def _wait_nodes(self, names: Sequence[str]) -> None:
        late: list[str] = list(names)

        def registered() -> bool:
            for name in names:
                self.ledger.check(self._daemons[name], f"slurmd of {name}", f"{name}.out")
            late[:] = [name for name in names if not free_ports.listening(self._port(name))]
            if late:
                return False
            shown = self.shown_states()
            late[:] = [name for name in names if shown.get(name) != "idle"]
            return not late

        until(
            registered,
            f"{len(names)} nodes to be idle",
            timeout=_START_LIMIT + _PER_NODE * len(names),
            evidence=lambda: f"{late}\n{self.logs(late[0])}\n{self.logs()}",
        )
