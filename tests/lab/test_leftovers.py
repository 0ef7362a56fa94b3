"""A run that was killed leaves no process, mount or folder once somebody has swept; jobs are ended like daemons."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import mounts
from tests.lab.ledger import ROOT, sweep
from tests.lab.processes import Identity
from tests.lab.releases import Release
from tests.lab.waiting import until

if TYPE_CHECKING:
    from tests.lab.fixtures import MakeSlurm
    from tests.lab.slurm import SlurmCluster

pytestmark = pytest.mark.lab

CLONE = Path(__file__).resolve().parent.parent.parent
JOB = "setsid sh -c 'echo $$ > {pids}; exec env -i /bin/sleep 300' & echo $$ >> {pids}.job; exec sleep 300"
OWNER = """
import json, sys
from tests.lab.ledger import Ledger
from tests.lab.releases import Release
from tests.lab.slurm import SlurmCluster
cluster = SlurmCluster(Ledger("doomed"), release=Release(sys.argv[1]))
cluster.start()
pids = cluster.layout.jobs / "pids"
job = cluster.sbatch({job!r}.format(pids=pids))
print(json.dumps([str(cluster.ledger.folder), str(pids)]), flush=True)
sys.stdin.read()
"""


def _pids(path: Path) -> list[Identity]:
    """The job's own process and the one it sent away, once both have written their pids."""
    files = [path, path.with_suffix(".job")]

    def written() -> list[str]:
        texts = [file.read_text().strip() for file in files if file.exists()]
        return texts if len(texts) == len(files) and all(texts) else []

    texts = until(written, "the job's processes", timeout=30, evidence=str)
    return [identity for text in texts if (identity := Identity.of(int(text)))]


def _named(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and int(path.parent.name) != os.getpid():
            found.append(line)
    return found


@pytest.mark.parametrize("release", [Release.BOOKWORM, Release.SID], ids=lambda release: release.value)
def test_a_killed_run_is_swept_away(release: Release) -> None:
    code = OWNER.format(job=JOB)
    owner = subprocess.Popen(
        [sys.executable, "-c", code, release.value],
        cwd=CLONE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with owner:
        assert owner.stdout is not None
        line = owner.stdout.readline()
        folder, pids = (Path(text) for text in json.loads(line))
        jobs = _pids(pids)
        owner.kill()
    assert len(jobs) == 2
    assert _named(folder)
    assert folder.name in sweep()
    assert _named(folder) == []
    assert [job for job in jobs if job.alive] == []
    assert mounts.below(folder) == []
    assert not folder.exists()
    assert not list(ROOT.glob("doomed-*"))


def test_a_closed_cluster_takes_its_jobs_along(make_slurm: MakeSlurm) -> None:
    cluster: SlurmCluster = make_slurm(nodes=1)
    pids = cluster.layout.jobs / "pids"
    cluster.sbatch(JOB.format(pids=pids))
    jobs = _pids(pids)
    assert len(jobs) == 2
    cluster.close()
    assert [job for job in jobs if job.alive] == []
    assert not cluster.ledger.folder.exists()
