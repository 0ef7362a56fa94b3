"""A node's tree below a folder, as a generation lays it out: the real launchers, the real code, a node.json."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import aami_slurm
import aami_xid
from aami_hpc.xid import pyz

CONF = Path(aami_slurm.__file__).resolve().parents[1] / "conf"
GENERATION = "20261120T000000Z-00000000"
NODE = "gpu-001"


class NodeTree:
    """`root` is the node's AAMI_ROOT. Nothing in it is shared with another tree."""

    def __init__(self, root: Path, python: str = sys.executable, **settings: Any) -> None:
        self.root = root
        self.tree = root / "usr/lib/aami-hpc" / GENERATION
        self.python = python
        self.tree.mkdir(parents=True)
        skip = shutil.ignore_patterns("__pycache__")
        for package in (aami_slurm, aami_xid):
            source = Path(str(package.__file__)).resolve().parent
            shutil.copytree(source, self.tree / source.name, ignore=skip)
        (self.tree / "aami_xid/data/catalog.json").write_bytes(_catalogue())
        shutil.copy(CONF / "run.py", self.tree / "run.py")
        (self.tree / "python").write_text(python + "\n")
        (root / "usr/lib/aami-hpc/current").symlink_to(GENERATION)
        self.libexec = root / "usr/libexec/aami-hpc"
        self.libexec.mkdir(parents=True)
        for name in ("prolog", "epilog", "health"):
            shutil.copy(CONF / name, self.libexec / name)
        (root / "usr/bin").mkdir()
        shutil.copy(CONF / "aami-node", root / "usr/bin/aami-node")
        self.textfile = root / "textfile"
        self.kmsg = root / "kmsg"
        for folder in ("etc/aami-hpc", "run", "var/lib", "textfile"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "etc/aami-hpc/node-name").write_text(NODE + "\n")
        self.kmsg.write_bytes(b"")
        self.set(**settings)

    def set(self, **settings: Any) -> None:
        """Write node.json: what a test gives, over paths below the root."""
        paths = {"kmsg": "/kmsg", "textfile": "/textfile", **settings.pop("paths", {})}
        told = {
            "schema": "aami.node/1",
            "generation": GENERATION,
            "cluster": "lab",
            "paths": paths,
            **settings,
        }
        (self.tree / "node.json").write_text(json.dumps(told))

    def compile(self) -> None:
        """As the receiver does on a node."""
        subprocess.run(
            [self.python, "-m", "compileall", "-q", self.tree / "aami_slurm", self.tree / "aami_xid"],
            check=True,
        )

    def run(
        self, hook: str, environ: dict[str, str] | None = None, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a launcher as slurmd would: an environment that is empty but for what the test gives."""
        return subprocess.run(
            [self.libexec / hook],
            env={"AAMI_ROOT": str(self.root), "SLURMD_NODENAME": NODE, **(environ or {})},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60, cwd="/", **more,
        )  # fmt: skip

    def log(self) -> list[str]:
        """What the launchers wrote down."""
        path = self.root / "run/aami-hpc/launcher.log"
        return path.read_text().splitlines() if path.exists() else []

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Every line of the `journal` or `ledger`, without the headers of segments."""
        found = []
        for path in sorted((self.root / "var/lib/aami-hpc" / kind).glob("*.jsonl")):
            found += [json.loads(line) for line in path.read_text().splitlines()]
        return [line for line in found if not str(line.get("schema", "")).startswith("aami.segment/")]

    def metrics(self) -> str:
        path = self.textfile / "aami.prom"
        return path.read_text() if path.exists() else ""


@cache
def _catalogue() -> bytes:
    return pyz.catalogue()


def job_environment(job_id: int = 1001, gpus: str | None = "2,3", **more: str) -> dict[str, str]:
    """What slurmd gives a prolog, for one job."""
    given = {
        "SLURM_CLUSTER_NAME": "lab",
        "SLURM_JOB_ID": str(job_id),
        "SLURM_JOBID": str(job_id),
        "SLURM_JOB_PARTITION": "main",
        "SLURM_JOB_UID": "1000",
        "SLURM_JOB_USER": "alice",
        "SLURM_JOB_ACCOUNT": "physics",
        "SLURM_JOB_RESTART_COUNT": "0",
        "SLURMD_NODENAME": NODE,
    }
    if gpus is not None:
        given |= {"SLURM_JOB_GPUS": gpus, "CUDA_VISIBLE_DEVICES": gpus}
    return given | more
