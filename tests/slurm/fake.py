"""A small model of what scontrol and sinfo print: fields in Slurm's order, free text exactly as hostile as there.

Reasons lose their line breaks in scontrol's one-line form, comments keep them (seen in 22.05, 24.11 and 26.05).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aami_hpc.io.run import DEFAULT_LIMIT, Completed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CONFIGURED = "NodeName={name} Arch=x86_64 CoresPerSocket=1  CPUAlloc=0 CPUEfctv=64 CPUTot=64 CPULoad=0.16"


@dataclass(frozen=True, slots=True)
class FakeNode:
    """A node and the free text on it."""

    name: str
    state: str = "IDLE"
    reason: str = ""
    comment: str = ""
    hidden: bool = False  # from sinfo: FUTURE, or in no partition

    def line(self) -> str:
        """Its line of `scontrol --oneliner show nodes`."""
        first, *more = self.reason.split("\n") if self.reason else [""]
        signed = f" Reason={first} [root@2026-01-02T03:04:05]" if self.reason else ""
        signed += "".join(f"        {line}" for line in more)
        comment = f" Comment={self.comment}" if self.comment else ""
        return (
            f"{CONFIGURED.format(name=self.name)} Gres=gpu:h100:8 NodeAddr=10.0.0.{len(self.name)}"
            f" NodeHostName={self.name} Version=22.05.8 OS=Linux 6.1.0 #1 SMP  RealMemory=1000 AllocMem=0"
            f" State={self.state} ThreadsPerCore=1 CfgTRES=cpu=2,mem=1000M,billing=2 AllocTRES={signed}{comment}"
        )

    def fields(self) -> tuple[str, ...]:
        """Its record of `sinfo --Format`."""
        time = "2026-01-02T03:04:05" if self.reason else "Unknown"
        who, why = ("root", self.reason) if self.reason else ("Unknown", "none")
        return (self.name, self.state.lower(), "word", "gpu:h100:8", "22.05.8", who, time, why)


class FakeSlurm:
    """A runner in whose world these nodes are all there is."""

    def __init__(self, nodes: Iterable[FakeNode]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.calls: list[tuple[str, ...]] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Completed:
        self.calls.append(tuple(argv))
        if argv[-1] == "ping":
            return self._said(argv, "Slurmctld(primary) at head1 is UP\n")
        if argv[-1] == "partitions":
            return self._said(argv, "PartitionName=gpu Default=YES Nodes=(null) State=UP\n")
        if argv[-1] == "nodes":
            return self._said(argv, "".join(f"{node.line()}\n" for node in self.nodes.values()))
        if argv[-2] == "node":
            return self._show(argv)
        separator = re.findall(r"NodeList:(<\w+>),", argv[-1])[0]
        shown = [node for node in self.nodes.values() if not node.hidden]
        return self._said(
            argv, "".join("".join(f"{field}{separator}" for field in node.fields()) + "\n" for node in shown)
        )

    def _show(self, argv: Sequence[str]) -> Completed:
        names = argv[-1].split(",")
        lines = [
            self.nodes[name].line() if name in self.nodes else f"Node {name} not found" for name in names
        ]
        status = int(any(name not in self.nodes for name in names))
        return Completed(tuple(argv), status, "".join(f"{line}\n" for line in lines))

    @staticmethod
    def _said(argv: Sequence[str], text: str) -> Completed:
        return Completed(tuple(argv), 0, text)
