"""Slurm on the real nodes: slurmctld on the head, slurmd on each of the others, as services of their systemd."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from tests.lab.ledger import LabError
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.node_root import NodeRoot
    from tests.lab.nodes import NodeLab

_DEVICES = "/var/lib/lab-devices"  # fake GPUs: character devices that nobody opens
_NVIDIA = 195
_PATIENCE = 60.0
_SETTINGS = """\
ClusterName=lab
SlurmUser=slurm
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
PrologFlags=Alloc
ReturnToService=2
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile=/var/log/slurmctld.log
SlurmdLogFile=/var/log/slurmd.log
"""


class NodeSlurm:
    """What is written before the nodes boot, and the wait for all of them to be idle."""

    def __init__(self, gpus: int) -> None:
        self._gpus = gpus

    def install(self, lab: NodeLab) -> None:
        munge_key = os.urandom(1024).hex()
        conf = "\n".join(self._conf(lab))
        gres = f"Name=gpu File={_DEVICES}/nvidia[0-{self._gpus - 1}]\n" if self._gpus else ""
        for node in lab.machines:
            node.root.write("/etc/munge/munge.key", munge_key, mode=0o400, owner=node.root.uid("munge"))
            node.root.write("/etc/slurm/slurm.conf", conf)
            node.root.write("/etc/slurm/gres.conf", gres)
            node.root.enable("munge.service")
            node.root.enable("slurmctld.service" if node is lab.head else "slurmd.service")
        for node in lab.nodes.values():
            _make_devices(node.root, self._gpus)

    def _conf(self, lab: NodeLab) -> Iterator[str]:
        yield _SETTINGS
        yield f"SlurmctldHost={lab.head.hostname}({lab.head.address})"
        if self._gpus:
            yield "GresTypes=gpu"
        for node in lab.nodes.values():
            place = f"NodeName={node.name} NodeHostname={node.hostname} NodeAddr={node.address}"
            yield f"{place} CPUs=1 State=UNKNOWN" + (f" Gres=gpu:{self._gpus}" if self._gpus else "")
        yield "PartitionName=gpu Nodes=ALL Default=YES State=UP MaxTime=INFINITE\n"

    def wait_idle(self, lab: NodeLab) -> None:
        wanted = [f"{name} idle" for name in lab.nodes]
        until(
            lambda: _states(lab) == wanted,
            "all nodes of Slurm to be idle",
            timeout=_PATIENCE,
            evidence=lambda: "\n".join(_states(lab)),
        )


def _states(lab: NodeLab) -> list[str]:
    try:
        said = lab.head.inside("sinfo", "--noheader", "--Node", "--format=%N %T")
    except LabError as error:
        said = str(error)
    return said.splitlines()


def _make_devices(root: NodeRoot, count: int) -> None:
    folder = root.at(_DEVICES)
    folder.mkdir(parents=True)
    for index in range(count):
        os.mknod(folder / f"nvidia{index}", 0o666 | stat.S_IFCHR, os.makedev(_NVIDIA, index))
