"""The configuration files of a lab cluster, as text: plain functions of what was asked for."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.lab.capabilities import Capabilities

CPUS = 32  # per node, believed by Slurm because of config_overrides
MEMORY = 64_000  # MiB, the same
DEFAULT_PARTITIONS = MappingProxyType({"gpu": "Nodes=ALL Default=YES MaxTime=INFINITE State=UP"})


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that are alike. `gpus=0` makes them CPU nodes."""

    count: int
    gpus: int = 8
    gres_type: str = "h100"
    features: tuple[str, ...] = ()
    prefix: str = "gpu-"
    first: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}{number:03d}" for number in range(self.first, self.first + self.count))

    @property
    def folded(self) -> str:
        last = self.first + self.count - 1
        return self.names[0] if self.count == 1 else f"{self.prefix}[{self.first:03d}-{last:03d}]"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a cluster keeps its files. The same paths hold inside a release's own root."""

    base: Path

    @property
    def etc(self) -> Path:
        return self.base / "etc"

    @property
    def conf(self) -> Path:
        return self.etc / "slurm.conf"

    @property
    def log(self) -> Path:
        return self.base / "log"

    @property
    def run(self) -> Path:
        return self.base / "run"

    @property
    def spool(self) -> Path:
        return self.base / "spool"

    @property
    def devices(self) -> Path:
        return self.base / "dev"

    @property
    def hooks(self) -> Path:
        return self.base / "hooks"

    @property
    def jobs(self) -> Path:
        return self.base / "jobs"

    @property
    def munge(self) -> Path:
        return self.run / "munge.socket"

    @property
    def pid_file(self) -> Path:
        return self.run / "slurmctld.pid"

    def make(self) -> None:
        for folder in (
            self.etc,
            self.log,
            self.run,
            self.spool,
            self.spool / "ctld",
            self.devices,
            self.hooks,
            self.jobs,
        ):
            folder.mkdir(parents=True)
            folder.chmod(0o755)
        self.jobs.chmod(0o1777)


@dataclass(frozen=True, slots=True)
class Host:
    """This machine. `closed`: its name means a loopback address, so the daemons can listen there only."""

    name: str
    address: str = "127.0.0.1"
    closed: bool = False

    @classmethod
    def here(cls) -> Host:
        name = socket.gethostname().partition(".")[0]
        with contextlib.suppress(OSError):
            address = socket.gethostbyname(name)
            if address.startswith("127."):
                return cls(name, address, closed=True)
        return cls(name)


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a cluster; node ports count up from `nodes`."""

    controller: int
    dbd: int
    database: int
    nodes: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What a cluster should be like."""

    name: str
    groups: tuple[NodeGroup, ...]
    partitions: Mapping[str, str] = field(default_factory=lambda: DEFAULT_PARTITIONS)
    extra: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lines: tuple[str, ...] = ()
    accounting: bool = False

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(name for group in self.groups for name in group.names)


def slurm_conf(wish: Wish, layout: Layout, ports: Ports, host: Host) -> str:
    """slurm.conf; `wish.extra` replaces any of our own settings, an empty value leaves one out."""
    settings = {
        "ClusterName": wish.name,
        "SlurmctldHost": f"{host.name}({host.address})",
        "SlurmctldPort": str(ports.controller),
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={layout.munge}",
        "StateSaveLocation": str(layout.spool / "ctld"),
        "SlurmdSpoolDir": str(layout.spool / "%n"),
        "SlurmctldPidFile": str(layout.pid_file),
        "SlurmdPidFile": str(layout.run / "%n.pid"),
        "SlurmctldLogFile": str(layout.log / "slurmctld.log"),
        "SlurmdLogFile": str(layout.log / "%n.log"),
        "SlurmctldDebug": "verbose",
        "SlurmdDebug": "verbose",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "MpiDefault": "none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core",
        "SlurmdParameters": "config_overrides",
        "GresTypes": "gpu",
        "ReturnToService": "2",
        "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny" if host.closed else "",
        "PrologFlags": "Alloc",
        "SchedulerParameters": "batch_sched_delay=0,sched_interval=2",
        **(_accounting(layout, ports) if wish.accounting else {}),
        **wish.extra,
    }
    lines = [f"{key}={value}" for key, value in settings.items() if value]
    port = ports.nodes
    for group in wish.groups:
        lines.append(_node_line(group, port, host))
        port += group.count
    lines += [f"PartitionName={name} {rest}" for name, rest in wish.partitions.items()]
    return "\n".join([*lines, *wish.lines]) + "\n"


def gres_conf(groups: Sequence[NodeGroup], devices: Path) -> str:
    lines = ["AutoDetect=off"]
    for group in groups:
        if group.gpus:
            span = "0" if group.gpus == 1 else f"[0-{group.gpus - 1}]"
            lines.append(
                f"NodeName={group.folded} Name=gpu Type={group.gres_type} File={devices / 'nvidia'}{span}"
            )
    return "\n".join(lines) + "\n"


def cgroup_conf(capabilities: Capabilities) -> str:
    return f"CgroupPlugin={capabilities.cgroup_plugin}\n"


def slurmdbd_conf(layout: Layout, ports: Ports, host: Host, password: str) -> str:
    settings = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={layout.munge}",
        "DbdHost": host.name,
        "DbdAddr": "127.0.0.1",
        "DbdPort": str(ports.dbd),
        "SlurmUser": "root",
        "LogFile": str(layout.log / "slurmdbd.log"),
        "PidFile": str(layout.run / "slurmdbd.pid"),
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "127.0.0.1",
        "StoragePort": str(ports.database),
        "StorageUser": "slurm",
        "StoragePass": password,
        "StorageLoc": "slurm_acct_db",
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _accounting(layout: Layout, ports: Ports) -> dict[str, str]:
    return {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": str(ports.dbd),
        "AccountingStoragePass": str(layout.munge),  # for slurmdbd this names munge's socket
        "AccountingStorageTRES": "gres/gpu",
    }


def _node_line(group: NodeGroup, port: int, host: Host) -> str:
    span = str(port) if group.count == 1 else f"[{port}-{port + group.count - 1}]"
    words = [
        f"NodeName={group.folded}",
        f"NodeHostname={host.name}",
        f"NodeAddr={host.address}",
        f"Port={span}",
        f"CPUs={CPUS}",
        f"RealMemory={MEMORY}",
    ]
    if group.gpus:
        words.append(f"Gres=gpu:{group.gres_type}:{group.gpus}")
    if group.features:
        words.append(f"Features={','.join(group.features)}")
    return " ".join([*words, "State=UNKNOWN"])
