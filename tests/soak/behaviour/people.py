"""Slurm's clients as an ordinary user runs them."""

from __future__ import annotations

import subprocess
from itertools import count
from typing import TYPE_CHECKING

from tests.lab.ledger import LabError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.slurm import SlurmCluster

PERSON = "daemon"  # every system has this user, and Slurm 26.05 lets nobody submit as `nobody`
_LIMIT = 60.0
_scripts = count(1)


def call(
    cluster: SlurmCluster, program: str, *arguments: str, user: str = PERSON, conf: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a client as a user, whatever its exit status; `conf` is another slurm.conf than the cluster's."""
    root = cluster.installation.root or "/"
    return subprocess.run(
        ["/usr/sbin/chroot", f"--userspec={user}:{user}", "--groups=", str(root), program, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env={
            **cluster.ledger.mark,
            "SLURM_CONF": str(conf or cluster.conf),
            "PATH": "/usr/bin:/bin",
            "HOME": "/",
        },
        timeout=_LIMIT,
        check=False,
    )


def submit(cluster: SlurmCluster, script: str, *options: str) -> int:
    """Submit a batch script, given as text, as an ordinary user; the job's id."""
    path = cluster.layout.jobs / f"person-{next(_scripts)}.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    where = (f"--chdir={cluster.layout.jobs}", f"--output={cluster.layout.jobs}/%j.out")
    done = call(cluster, "sbatch", "--parsable", *where, *options, str(path))
    if done.returncode != 0:
        raise LabError(f"{done.args} ended with {done.returncode}: {done.stderr}")
    return int(done.stdout.split(";")[0])
