"""A site for hook tests: real nodes with systemd, sshd and Slurm, fake GPUs on them, and what its administrator does."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aami_hpc.resources import share
from tests.docs import DOCS
from tests.docs.console import replay
from tests.lab.nvml.build import build
from tests.lab.nvml.shapes import h100
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.lab.node import Node
    from tests.lab.nodes import NodeLab
    from tests.lab.nvml.state import GpuState

LAUNCHERS = share() / "slurm" / "conf"
FOLDER = "/usr/lib/fake-gpu"  # on the nodes
CONF = "/etc/slurm/slurm.conf"
CONFIG = bytes.fromhex("de10302310000010a1000203") + bytes(52)  # of a GPU that is there
GONE = b"\xff" * 64
_TELL = "aami-node events -n 8; aami-node doctor; tail -n 3 /var/log/slurmd.log"
_PROGRESS = re.compile(r"^\w[\w ]+: \d+/\d+\n", re.MULTILINE)
_ON_THE_BUS = f"{FOLDER}/pci /sys/bus/pci/devices none bind 0 0\n"


class Gpus:
    """The GPUs of one node: what the library says, what the bus says, and what the kernel printed."""

    def __init__(self, node: Node) -> None:
        self._folder = node.root.at(FOLDER)
        build().install(self._folder)
        (self._folder / "kmsg").touch()
        self._healthy = h100(node=node.name)
        self.repair()
        node.root.write("/etc/fstab", _ON_THE_BUS)
        node.inside("mount", "--all")

    def put(self, state: GpuState) -> None:
        self.state = state
        state.write(self._folder / "fake-gpu.state")

    def uuid(self, gpu: int) -> str:
        return str(self.state.gpus[gpu].uuid)

    def lose(self, gpu: int) -> None:
        """It falls off the bus."""
        self.says(gpu, 79, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.")
        self._bus(gpu, GONE)
        self.put(self.state.with_fault("lost", gpu=gpu))

    def repair(self) -> None:
        self.put(self._healthy)
        for index in range(len(self.state.gpus)):
            self._bus(index, CONFIG)

    def says(self, gpu: int, code: int, text: str) -> None:
        """A line of the driver in the node's kernel log."""
        path = self._folder / "kmsg"
        line = f"NVRM: Xid (PCI:{self._bus_id(gpu)}): {code}, {text}"
        seq, moment = len(path.read_bytes().splitlines()), int(time.monotonic() * 1_000_000)
        with path.open("ab") as log:
            log.write(f"4,{seq},{moment},-;{line}\n".encode())

    def _bus(self, gpu: int, config: bytes) -> None:
        folder = self._folder / "pci" / f"{self._bus_id(gpu)}.0"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config").write_bytes(config)
        (folder / "vendor").write_text("0x10de\n")
        (folder / "class").write_text("0x030200\n")

    def _bus_id(self, gpu: int) -> str:
        return self.state.gpus[gpu].bus_id[-12:].partition(".")[0].lower()


class Site:
    """The lab as an administrator sees it. `plain` is slurm.conf without anything of ours."""

    def __init__(self, lab: NodeLab) -> None:
        self.lab = lab
        self.plain = lab.head.inside("cat", CONF)
        self._conf = f"{self.plain}\n"
        self.gpus = {name: Gpus(node) for name, node in lab.nodes.items()}
        for node in lab.nodes.values():
            node.inside("mkdir", "-p", "/var/lib/prometheus/node-exporter")

    # --- on the head

    def run(self, command: str, *, user: str = "root") -> subprocess.CompletedProcess[str]:
        """A command as somebody types it on the head. A terminal would wipe the progress lines away: so do we."""
        path = shlex.quote(str(Path(sys.executable).parent))
        done = self.on(self.lab.head, f"export PATH={path}:$PATH; {command}", user=user)
        done.stderr = _PROGRESS.sub("", done.stderr)
        return done

    def on(self, node: Node, command: str, *, user: str = "root") -> subprocess.CompletedProcess[str]:
        """A command on a machine, without the time that a login takes."""
        enter = ("nsenter", f"--target={node.leader}", "--all", "--wd=/", "--")
        argv = (*enter, "runuser", "--login", user, "--shell=/bin/sh", "--command", command)
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=180
        )

    def said(self, command: str, *, user: str = "root", status: int = 0) -> str:
        done = self.run(command, user=user)
        assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def hooks(self, *words: str, status: int = 0) -> dict[str, Any]:
        told = json.loads(self.said(f"aami-hpc hooks {shlex.join(words)} --json", status=status))
        assert isinstance(told, dict)
        return told

    def configure(self, hooks: dict[str, Any] | None = None, **sections: Any) -> None:
        """Write the configuration: the lab's own paths, and these over them."""
        paths = {
            "nvml": f"{FOLDER}/libnvidia-ml.so.1",
            "nvidia_smi": f"{FOLDER}/nvidia-smi",
            "kmsg": f"{FOLDER}/kmsg",
        }
        told = {"hooks": {**paths, **(hooks or {})}, **sections}
        self.lab.head.write("/etc/aami-hpc/config.yaml", yaml.safe_dump(told, sort_keys=False))

    def page(self, title: str, folder: Path) -> None:
        """Replay the examples of one section of docs/hooks.md."""
        part = folder / "section.md"
        part.write_text(sections()[title])
        assert replay(part, self.run)

    # --- Slurm

    def slurm(self, *lines: str, reconfigure: bool = True) -> None:
        """slurm.conf is the plain one with these lines, everywhere."""
        text = "\n".join([self.plain, *lines, ""])
        if text == self._conf:
            return
        for machine in self.lab.machines:
            machine.write(CONF, text)
        self._conf = text
        if reconfigure:
            self.said("scontrol reconfigure")
            self.wait_idle()

    def wait_idle(self) -> None:
        until(
            lambda: set(self.said("sinfo --noheader --Node --format=%T").split()) == {"idle"},
            "every node idle",
            timeout=60,
            evidence=lambda: self.said("sinfo --Node --long; sinfo -R"),
        )

    def job(self, node: str, script: str, *wishes: str) -> int:
        """A batch job of an ordinary user on one node."""
        asked = shlex.join(["sbatch", "--parsable", f"--nodelist={node}", "--output=/dev/null", *wishes])
        return int(self.said(f"cd /tmp; {asked} --wrap={shlex.quote(script)}", user="ops"))

    def job_state(self, job: int) -> str:
        found = re.search(r"JobState=(\w+)", self.said(f"scontrol show job {job}"))
        return found[1] if found else ""

    def wait_job(self, job: int, state: str = "COMPLETED") -> None:
        until(
            lambda: self.job_state(job) == state,
            f"job {job} {state}",
            timeout=30,
            evidence=lambda: self.said(f"scontrol show job {job}; sinfo -R"),
        )

    def reason(self, node: str) -> str:
        return self.said(f"sinfo --noheader --Node --nodes={node} --Format=Reason:250").strip()

    # --- on a node

    def ask(self, node: str, *words: str) -> Any:
        """`aami-node`, as root."""
        done = self.on(self.lab.nodes[node], shlex.join(["aami-node", *words, "--json"]))
        assert done.stderr == "", done.stderr
        return json.loads(done.stdout)

    def events(self, node: str, kind: str) -> list[dict[str, Any]]:
        return list(self.ask(node, "events", "--kind", kind)["events"])

    def wait_events(self, node: str, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """The journal's events of a kind, once there are so many."""

        def found() -> list[dict[str, Any]]:
            told = self.events(node, kind)
            return told if len(told) >= count else []

        return list(self.until(found, f"{count} events of {kind} on {node}"))

    def ledger(self, node: str, job: int) -> dict[str, Any]:
        """A job's run in the node's ledger, once it is there."""
        [run] = self.until(
            lambda: self.ask(node, "ledger", "--job", str(job))["runs"], f"job {job} on {node}"
        )
        return dict(run)

    def until(self, reached: Callable[[], Any], what: str, timeout: float = 20) -> Any:
        return until(reached, what, timeout=timeout, evidence=self._evidence)

    def _evidence(self) -> str:
        told = [self.said("sinfo -R; squeue")]
        told += [f"{name}\n{self.on(node, _TELL).stdout}" for name, node in self.lab.nodes.items()]
        return "\n".join(told)

    # --- the way

    def do(self, steps: Sequence[dict[str, str]]) -> None:
        """Install what the doctor says, on every node as slurm.conf gets there; nothing else is done."""
        for step in steps:
            if not step["do"].startswith("install "):
                continue
            self.said(step["do"])
            target = shlex.split(step["do"])[-1]
            for name in self.lab.nodes:
                self.said(f"scp -qp {target} {name}:{target}")

    def hooked(self, *lines: str) -> None:
        """Hooks on every node, and these lines in slurm.conf: what the way of the page leads to, sooner."""
        self.heal()
        self.configure()
        for hook in ("aami-prolog", "aami-epilog"):
            for machine in self.lab.machines:
                machine.write(f"/etc/slurm/{hook}", (LAUNCHERS / hook).read_text(), mode=0o755)
        self.hooks("push")
        self.slurm(*lines)

    def heal(self) -> None:
        """As a repair does it: healthy GPUs, and a person who says that the node is back."""
        for gpus in self.gpus.values():
            gpus.repair()
        for name in self.said("sinfo --noheader --Node --states=drain --format=%N").split():
            self.said(f"scontrol update nodename={name} state=resume")

    def leave(self) -> None:
        """Nothing of ours is left, and every node is well and in service."""
        self.heal()
        self.configure()
        self.slurm()
        self.hooks("remove")
        for machine in self.lab.machines:
            machine.inside("sh", "-c", "rm -rf /var/lib/aami-hpc /etc/slurm/aami-* /etc/aami-hpc")


def sections() -> dict[str, str]:
    """The parts of docs/hooks.md that have examples, by their titles."""
    parts = re.split(r"^##+ (.+)\n", (DOCS / "hooks.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title: text for title, text in zip(parts[1::2], parts[2::2], strict=True) if "```console" in text}
