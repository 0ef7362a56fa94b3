"""Record the answers of a real Slurm: `python -m tests.slurm.record bookworm` (or trixie, sid), as root.

Starts a cluster of that suite's release, sets the scene of scene.py, asks through the text back end and writes
tests/data/slurm/<release>/answers.json. Names of the machine it ran on are replaced.
"""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import sys
from typing import TYPE_CHECKING

from aami_hpc.config.sections.slurm import SlurmSection
from aami_hpc.io.run import SystemRunner
from aami_hpc.slurm.programs import find
from aami_hpc.slurm.text import TextClient
from tests.lab.ledger import Ledger
from tests.lab.releases import Release
from tests.lab.slurm import SlurmCluster
from tests.slurm.replay import DATA, SEPARATOR, Recorder
from tests.slurm.scene import WISHES, check, prepare

if TYPE_CHECKING:
    from pathlib import Path


def record(cluster: SlurmCluster) -> Path:
    """Ask everything once; the file that holds the answers."""
    section = SlurmSection(conf=cluster.conf, bin_dir=cluster.bin_dir, timeout=30)
    recorder = Recorder(SystemRunner())
    client = TextClient(find(section, os.environ), recorder, section.timeout, separator=lambda: SEPARATOR)
    check(client.nodes())
    client.version()
    client.partitions()
    client.config()
    text = json.dumps(recorder.answers, indent=1) + "\n"
    for pattern, word in _names(cluster):
        text = re.sub(pattern, word, text)
    path = DATA / ".".join(cluster.version.split(".")[:2]) / "answers.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _names(cluster: SlurmCluster) -> tuple[tuple[str, str], ...]:
    """What tells of the machine that recorded, and what stands in its place."""
    return (
        (re.escape(str(cluster.layout.base)), "/lab"),
        (re.escape(f"{platform.release()} {platform.version()}"), "6.1.0-25-amd64 #1 SMP Debian"),
        (r"OS=Linux .*?(?= +RealMemory=)", "OS=Linux 6.1.0-25-amd64 #1 SMP Debian"),
        (rf"\b{re.escape(socket.gethostname())}\b", "head1"),
        (rf"\b{re.escape(cluster.name)}\b", "scene"),
    )


def main() -> None:
    with (
        Ledger("record") as ledger,
        SlurmCluster(ledger, release=Release[sys.argv[1].upper()], **WISHES) as cluster,
    ):
        prepare(cluster)
        print(record(cluster))


if __name__ == "__main__":
    main()
