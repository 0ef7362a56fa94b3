"""One cluster in which nodes are in every state a drain has to know, and what has to be read from it on every release.

`python -m tests.aami_slurm.drain.scene`, as root, records the answers in data/ anew.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aami_slurm import command, slurm_nodes
from tests.lab.ledger import Ledger
from tests.lab.releases import Release
from tests.lab.slurm import SlurmCluster
from tests.lab.slurm_conf import NodeGroup
from tests.lab.waiting import until
from tests.slurm.scene import FORGED_EXTRA, FORGED_REASON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aami_slurm.slurm_nodes import Shown

DATA = Path(__file__).parent / "data"
SEPARATOR = "<5eed5eed5eed5eed>"
OURS = "aami:a:xid79:gpu3 GPU has fallen off the bus #abcd2345"
FORGED_COMMENT = (
    "c\ngpu-003" + SEPARATOR + "idle" + SEPARATOR + "(null)" + SEPARATOR + "Unknown" + SEPARATOR + "none"
)

# Arguments of SlurmCluster.
WISHES: dict[str, Any] = {
    "nodes": [NodeGroup(8), NodeGroup(2, gpus=0, prefix="cpu-")],
    "partitions": {
        "gpu": "Nodes=gpu-[001-008] Default=YES State=UP",
        "all": "Nodes=gpu-[001-008],cpu-[001-002] State=UP",
        "hidden": "Nodes=gpu-001,cpu-001 Hidden=YES State=DRAIN",
    },
    "extra": {"RebootProgram": "/bin/true"},
    "lines": ["NodeName=lone1 NodeAddr=127.0.0.1 Port=5 CPUs=2 RealMemory=1000 State=UNKNOWN"],
}

# Node to the words of its state and its reason. ALLOCATED is MIXED since 23.11.
EXPECTED: dict[str, tuple[str, str]] = {
    "cpu-001": ("IDLE", ""),
    "cpu-002": ("DRAIN IDLE", "rack 7"),
    "gpu-001": ("DRAIN IDLE", FORGED_REASON),
    "gpu-002": ("IDLE RESERVED", ""),
    "gpu-003": ("IDLE MAINTENANCE RESERVED", ""),
    "gpu-004": ("DRAIN MIXED REBOOT_REQUESTED", "Reboot ASAP"),
    "gpu-005": ("DOWN", "none"),
    "gpu-006": ("DRAIN MIXED", OURS),
    "gpu-007": ("DRAIN IDLE INVALID_REG", "gres/gpu count reported lower than configured (6 < 8)"),
    "gpu-008": ("FAIL IDLE", f"admin: {SEPARATOR} a separator that was recorded later"),
}


def prepare(cluster: SlurmCluster) -> None:
    """Set the scene in a running cluster."""
    for name, nodes, flags in (("verify", "gpu-002", ""), ("service", "gpu-003", "maint")):
        words = [f"reservationname={name}", "starttime=now", "duration=60", "user=root", f"nodes={nodes}"]
        cluster.scontrol("create", "reservation", *words, *([f"flags={flags}"] if flags else []))
    cluster.scontrol("update", "nodename=cpu-001", f"comment={FORGED_COMMENT}")
    cluster.scontrol("update", "nodename=gpu-002", f"comment={FORGED_COMMENT}", f"extra={FORGED_EXTRA}")
    for name in ("gpu-004", "gpu-006"):
        job = cluster.sbatch("sleep 600", f"--nodelist={name}", "--gres=gpu:2")
        cluster.wait_job(job, "RUNNING")
    cluster.scontrol("reboot", "ASAP", "gpu-004")
    _update(cluster, "cpu-002", "drain", "rack 7")
    _update(cluster, "gpu-001", "drain", FORGED_REASON)
    _update(cluster, "gpu-005", "down", "none")
    _update(cluster, "gpu-006", "drain", OURS)
    _update(cluster, "gpu-008", "fail", EXPECTED["gpu-008"][1])
    lose_gpus(cluster, "gpu-007")
    wait_state(cluster, "gpu-003", "RESERVED")


def lose_gpus(cluster: SlurmCluster, name: str) -> None:
    """Start the node's slurmd again with six GPUs instead of eight: Slurm's own way to notice lost ones."""
    gres = cluster.layout.etc / "gres.conf"
    whole = gres.read_text()
    cluster.stop_nodes(name)
    gres.write_text(whole.replace("[0-7]", "[0-5]"))
    try:
        cluster._daemon(name, "slurmd", "-N", name)
        wait_state(cluster, name, "INVALID_REG")
    finally:
        gres.write_text(whole)


def wait_state(cluster: SlurmCluster, name: str, word: str) -> None:
    """Wait until the word is one of the node's state."""
    until(
        lambda: word in ask(cluster)[name].state,
        f"{name} to be {word}",
        timeout=60,
        evidence=lambda: cluster.ask("scontrol", "show", "node", name),
    )


def ask(cluster: SlurmCluster) -> dict[str, Shown]:
    """What our own question sees."""
    return slurm_nodes.look(str(cluster.bin_dir / "sinfo"), str(cluster.conf), time.monotonic() + 20)


def check(found: Mapping[str, Shown]) -> None:
    """What has to be read, whatever release it was read from."""
    told = {
        name: (" ".join(sorted(shown.state)).replace("ALLOCATED DRAIN", "DRAIN MIXED"), shown.reason)
        for name, shown in found.items()
    }
    assert told == EXPECTED, told
    assert {name for name, shown in found.items() if shown.gpu} == {
        name for name in EXPECTED if name.startswith("gpu")
    }
    assert all((shown.since is None) == (not shown.reason) for shown in found.values())
    assert {name for name, shown in found.items() if shown.in_service} == {"cpu-001", "gpu-002"}
    assert slurm_nodes.gpu_nodes(dict(found)) == 8
    assert [(name, reason) for name, reason, _ in slurm_nodes.out_by_us(dict(found))] == [("gpu-006", OURS)]


def _update(cluster: SlurmCluster, name: str, state: str, reason: str) -> None:
    cluster.scontrol("update", f"nodename={name}", f"state={state}", f"reason={reason}")


def _record(release: Release) -> Path:
    with Ledger("record") as ledger, SlurmCluster(ledger, release=release, **WISHES) as cluster:
        prepare(cluster)
        separator = slurm_nodes.draw_separator()
        question = slurm_nodes.question(str(cluster.bin_dir / "sinfo"), separator)
        environment = slurm_nodes.environment(str(cluster.conf))
        said = command.run(question, environment, time.monotonic() + 20, slurm_nodes.LONGEST)[1].decode()
        check(slurm_nodes.parse(said, separator))
        path = DATA / f"{re.match(r'[0-9]+[.][0-9]+', cluster.version)[0]}.txt"  # type: ignore[index]  # it has one
        path.write_text(said.replace(separator, "<drawn>"), encoding="utf-8", newline="")
        return path


if __name__ == "__main__":
    for one in Release:
        print(_record(one))
