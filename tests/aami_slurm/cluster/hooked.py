"""A real Slurm cluster whose nodes run our hooks: each node has a tree, GPUs and a kernel log of its own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aami_slurm import log, reason
from tests.aami_slurm.cards import CONFIG, GONE, Cards
from tests.aami_slurm.tree import CONF, NodeTree
from tests.lab.nvml.shapes import h100
from tests.lab.releases import Release
from tests.lab.slurm import SlurmCluster
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from aami_slurm.reason import Reason
    from tests.lab.ledger import Ledger

# Enforces everything. A lab loses more nodes in ten minutes than a site may.
ENFORCE: dict[str, Any] = {
    "schema": "aami.policy/1",
    "name": "lab",
    "mode": "enforce",
    "rails": {"windows": [{"seconds": 600, "nodes": 100, "share": 1}], "out": {"share": 1, "at_least": 100}},
}
STANDARD: dict[str, Any] = {"schema": "aami.policy/1", "name": "lab", "mode": "enforce"}
REQUEUE = 6  # seconds
FALLEN = "pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
PYTHON = "/usr/bin/python3"  # of the machine or tree that the daemons run in


class Hooked:
    """`with Hooked(ledger, nodes=2) as lab:`; `lab.slurm` is the cluster, `lab[name]` a node's cards.

    `policy` is that of all nodes; the default enforces everything. `site` are scripts that the site had before, by
    hook. `wishes` go to the cluster.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        release: Release = Release.BOOKWORM,
        nodes: int = 2,
        policy: dict[str, Any] | None = None,
        site: dict[str, str] | None = None,
        health_interval: int = 0,
        shared: Sequence[Path] = (),
        **wishes: Any,
    ) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="aami-hooked-", dir="/var/tmp"))
        self.base.chmod(0o755)
        self.policy = ENFORCE if policy is None else policy
        hooks = {
            "Prolog": self._site_launcher("prolog", (site or {}).get("prolog")),
            "Epilog": self._site_launcher("epilog", (site or {}).get("epilog")),
        }
        extra = {
            "PrologFlags": "Alloc",
            "PrologEpilogTimeout": "20",
            "SchedulerParameters": "batch_sched_delay=0,sched_interval=2,bf_interval=1",
            **wishes.pop("extra", {}),
        }
        if health_interval:
            hooks["HealthCheckProgram"] = self._call("health")
            extra |= {"HealthCheckInterval": str(health_interval), "HealthCheckNodeState": "ANY"}
        self.slurm = SlurmCluster(
            ledger,
            release=release,
            nodes=nodes,
            hooks=hooks,
            extra=extra,
            shared=(self.base, *shared),
            **wishes,
        )
        # A requeued job waits until its credential has expired: slurmd would take its second run for the first.
        auth = f"socket={self.slurm.layout.munge},cred_expire={REQUEUE}"
        self.slurm._wish = replace(self.slurm._wish, extra={**self.slurm._wish.extra, "AuthInfo": auth})
        self.cards: dict[str, Cards] = {}
        for name in self.slurm.nodes:
            self._node(name)

    def __enter__(self) -> Self:
        self.slurm.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.slurm.__exit__(kind, error, trace)
        shutil.rmtree(self.base, ignore_errors=True)

    def __getitem__(self, name: str) -> Cards:
        return self.cards[name]

    def fresh(self, policy: dict[str, Any] | None = None) -> Self:
        """As in the first minute of a boot: no jobs, all nodes in service, healthy GPUs, nothing remembered; health looks.

        24.11 keeps the reason of a drain that was lifted until a job starts there, so that one is run.
        """
        self.slurm.reset()
        for name in self.reasons():
            self.slurm.srun(f"--nodelist={name}", "true")
        self.slurm.wait_nodes()
        for cards in self.cards.values():
            for folder in ("var/lib", "run"):
                shutil.rmtree(cards.node.root / folder / "aami-hpc", ignore_errors=True)
            (cards.node.textfile / "aami.prom").unlink(missing_ok=True)
            cards.node.kmsg.write_bytes(b"")
        self.heal()
        for name in self.cards:
            self.settings(name, policy=self.policy if policy is None else policy)
        self.health()
        return self

    def heal(self, *names: str) -> None:
        """Eight healthy GPUs (on all nodes if none is named)."""
        for name in names or self.cards:
            self.cards[name].put(h100())
            for gpu in range(8):
                self.cards[name].pci(gpu, CONFIG)

    def settings(self, name: str, **settings: Any) -> None:
        """Write a node's node.json: the lab's own words, and these over them."""
        slurm = {"scontrol": "/usr/bin/scontrol", "sinfo": "/usr/bin/sinfo", "conf": str(self.slurm.conf)}
        told = {"slurm": slurm, "policy": self.policy, "gres": [{"nodes": name, "gpus": 8}], **settings}
        self.cards[name].node.set(**{**told, "paths": {**self._paths(name), **told.get("paths", {})}})

    def lose(self, name: str, gpu: int, *, line: bool = True, bus: bool = True, driver: bool = True) -> None:
        """A GPU falls off the bus: what the kernel prints, what PCI answers, what the driver says."""
        if line:
            self.cards[name].says(gpu, 79, FALLEN)
        if bus:
            self.cards[name].pci(gpu, GONE)
        if driver:
            self.cards[name].fault("lost", gpu=gpu)

    def health(self, *names: str) -> None:
        """Run health on these nodes (all if none is named), as slurmd would: two at a time."""

        def look(name: str) -> tuple[str, int]:
            return name, self.run(name, "health")

        with ThreadPoolExecutor(2) as pool:
            done = dict(pool.map(look, names or self.slurm.nodes))
        if any(done.values()):
            raise AssertionError(f"health: {done} {self.logs()}")

    def run(self, name: str, hook: str, environ: dict[str, str] | None = None) -> int:
        """Run a launcher of a node by hand, with the release's own commands."""
        tree = self.cards[name].node
        root = self.slurm.installation.root
        argv = [str(tree.libexec / hook)]
        if root is not None:
            argv = ["/usr/sbin/chroot", str(root), *argv]
        done = subprocess.run(
            argv, env={"AAMI_ROOT": str(tree.root), "SLURMD_NODENAME": name, **(environ or {})},
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode

    def reasons(self) -> dict[str, str]:
        """Node to reason, of nodes that have one."""
        told = self.slurm.ask("sinfo", "--noheader", "--Node", "--Format=NodeList:30,Reason:250")
        rows = (line.split(maxsplit=1) for line in told.splitlines())
        return {row[0]: row[1].strip() for row in rows if len(row) > 1 and row[1].strip() != "none"}

    def ours(self) -> dict[str, Reason]:
        """Node to the parts of its reason, of nodes that we drained and that are out."""
        out = {name for name, state in self.slurm.node_states().items() if state.startswith("DRAIN")}
        told = {name: reason.parse(text) for name, text in self.reasons().items() if name in out}
        return {name: parts for name, parts in told.items() if parts is not None and parts.who == "a"}

    def events(self, name: str, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines(name, "journal") if line["kind"] == kind]

    def runs(self, name: str, op: str) -> list[dict[str, Any]]:
        return [line for line in self.lines(name, "ledger") if line["op"] == op]

    def lines(self, name: str, kind: str) -> list[dict[str, Any]]:
        """Every whole line of the `journal` or `ledger`; a line that a killed hook left in half is none."""
        return list(log.lines_of(str(self.cards[name].node.root / "var/lib/aami-hpc" / kind)))

    def started(self, name: str, job: int) -> dict[str, Any]:
        """The ledger's entry of a job's newest run on a node, once the prolog has written it."""

        def entry() -> dict[str, Any] | None:
            return next((run for run in reversed(self.runs(name, "start")) if run["job_id"] == job), None)

        return dict(self.until(entry, f"job {job} in the ledger of {name}"))

    def wait_end(self, name: str, job: int) -> dict[str, Any]:
        """The ledger's end of a job's newest run on a node."""

        def entry() -> dict[str, Any] | None:
            return next((run for run in reversed(self.runs(name, "end")) if run["job_id"] == job), None)

        return dict(self.until(entry, f"the end of job {job} in the ledger of {name}"))

    def until(self, reached: Callable[[], Any], what: str, timeout: float = 30) -> Any:
        """Wait for something; what the launchers and Slurm say is the evidence."""
        return until(
            reached, what, timeout=timeout, evidence=lambda: f"{self.logs()}\n{self.slurm.ask('squeue')}"
        )

    def wait_gone(self, name: str, job: int) -> None:
        """Wait until no series of a node names this job."""
        self.until(
            lambda: f'job_id="{job}"' not in self.cards[name].node.metrics(), f"no series of job {job}"
        )

    def wait_series(self, name: str, *jobs: int) -> str:
        """The node's series, once they name these jobs."""

        def page() -> str:
            told = self.cards[name].node.metrics()
            return told if all(f'job_id="{job}"' in told for job in jobs) else ""

        return str(self.until(page, f"series of {jobs} on {name}"))

    def logs(self) -> dict[str, list[str]]:
        """What launchers complained of, by node."""
        return {name: cards.node.log() for name, cards in self.cards.items() if cards.node.log()}

    def _node(self, name: str) -> None:
        tree = NodeTree(self.base / name, PYTHON)
        (tree.root / "etc/aami-hpc/node-name").write_text(name + "\n")
        self.cards[name] = Cards(tree).eight()
        self.settings(name)

    def _paths(self, name: str) -> dict[str, str]:
        stub = self.cards[name].stub
        return {"nvml": str(stub.library), "nvidia_smi": str(stub.program)}

    def _call(self, hook: str) -> str:
        return f"export AAMI_ROOT={self.base}/$SLURMD_NODENAME\nexec $AAMI_ROOT/usr/libexec/aami-hpc/{hook}"

    def _site_launcher(self, hook: str, site: str | None) -> str:
        """The launcher that stands beside slurm.conf, with this node's root in place of /."""
        text = (CONF / f"aami-{hook}").read_text()
        if site is not None:
            own = self.base / f"site-{hook}"
            own.write_text(site if site.startswith("#!") else f"#!/bin/sh\n{site}\n")
            own.chmod(0o755)
            text = text.replace("\nsite=\n", f"\nsite={own}\n")
        root = f"AAMI_ROOT={self.base}/$SLURMD_NODENAME\nexport AAMI_ROOT\n"
        return text.replace("\nsite=", f"\n{root}site=").replace("ours=/usr/", "ours=$AAMI_ROOT/usr/")
