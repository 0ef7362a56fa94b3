"""One cluster with everything that makes reading it hard, and what has to be read from it, on every release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.lab.slurm_conf import NodeGroup

if TYPE_CHECKING:
    from aami_hpc.model.node import Node
    from tests.lab.slurm import SlurmCluster

FORGED_REASON = (
    "x State=IDLE NodeName=fake [mallory@2020-01-01T00:00:00]\n"
    "NodeName=gpu-900 Arch=x86_64 CoresPerSocket=1  CPUTot=1 NodeAddr=10.6.6.6 State=IDLE \r\n"
    '\x1b[2J "quoted" \\ back, Reason=other | tail'
)
FORGED_COMMENT = "c\nNodeName=gpu-003 Arch=sparc CoresPerSocket=1  CPUTot=1 NodeAddr=10.6.6.6 State=DOWN "
FORGED_EXTRA = "e\nNodeName=gpu-901 Arch=sparc CoresPerSocket=1  CPUTot=1 NodeAddr=10.6.6.6 State=FUTURE "

# Arguments of SlurmCluster.
WISHES: dict[str, Any] = {
    "name": "scene",
    "nodes": [NodeGroup(5), NodeGroup(1, gpus=0, prefix="cpu-")],
    "partitions": {
        "gpu": "Nodes=gpu-[001-005] Default=YES State=UP",
        "all": "Nodes=gpu-[001-005],cpu-001,cloud[1-2],future[1-2] State=UP",
        "hidden": "Nodes=cpu-001 Hidden=YES State=DRAIN",
        "empty": "State=UP",
    },
    "extra": {
        "PrivateData": "cloud",
        "SuspendProgram": "/bin/true",
        "ResumeProgram": "/bin/true",
        "SuspendTime": "3600",
        "SuspendExcNodes": "gpu-[001-005],cpu-001",
    },
    "lines": [
        "NodeName=cloud[1-2] NodeAddr=127.0.0.1 Port=[1-2] CPUs=2 RealMemory=1000 State=CLOUD",
        "NodeName=future[1-2] NodeAddr=127.0.0.1 Port=[3-4] CPUs=2 RealMemory=1000 State=FUTURE",
        "NodeName=lone1 NodeAddr=127.0.0.1 Port=5 CPUs=2 RealMemory=1000 State=UNKNOWN",
    ],
}


def prepare(cluster: SlurmCluster) -> None:
    """Set the scene in a running cluster."""
    cluster.scontrol("update", "nodename=gpu-001", "state=drain", f"reason={FORGED_REASON}")
    cluster.scontrol("update", "nodename=gpu-002", f"comment={FORGED_COMMENT}")
    cluster.scontrol("update", "nodename=gpu-004", f"extra={FORGED_EXTRA}")
    cluster.scontrol("update", "nodename=gpu-005", "state=fail", "reason=none")
    cluster.scontrol("update", "nodename=lone1", "state=down", "reason=not in a rack yet")
    job = cluster.sbatch("sleep 600", "--nodelist=gpu-003", "--gres=gpu:2")
    cluster.wait_job(job, "RUNNING")
    cluster.wait_nodes("MIXED", nodes=["gpu-003"])


def check(nodes: tuple[Node, ...]) -> None:
    """What has to be read, whatever release it was read from."""
    found = {node.name: node for node in nodes}
    assert list(found) == [
        "cloud1",
        "cloud2",
        "cpu-001",
        "future1",
        "future2",
        "gpu-001",
        "gpu-002",
        "gpu-003",
        "gpu-004",
        "gpu-005",
        "lone1",
    ]
    states = {name: node.state for name, node in found.items()}
    assert all(states.values())
    assert {name: str(state) for name, state in states.items()} == {
        "cloud1": "IDLE+CLOUD+POWERED_DOWN",
        "cloud2": "IDLE+CLOUD+POWERED_DOWN",
        "cpu-001": "IDLE",
        "future1": "FUTURE",
        "future2": "FUTURE",
        "gpu-001": "IDLE+DRAIN",
        "gpu-002": "IDLE",
        "gpu-003": "MIXED",
        "gpu-004": "IDLE",
        "gpu-005": "IDLE+FAIL",
        "lone1": str(states["lone1"]),
    }
    assert found["lone1"].state is not None
    assert found["lone1"].state.base == "DOWN"
    assert found["lone1"].state.reason == "not in a rack yet"
    assert found["lone1"].partitions == ()
    drained = found["gpu-001"].state
    assert drained is not None
    assert drained.reason == FORGED_REASON
    assert drained.reason_user == "root"
    assert drained.reason_time is not None
    assert drained.reason_time.year >= 2026
    assert found["gpu-005"].state is not None
    assert found["gpu-005"].state.reason == "none"
    for name in ("gpu-001", "gpu-002", "gpu-003", "gpu-004", "gpu-005"):
        node = found[name]
        assert (node.gpus, node.gpu_model, node.cpus, node.memory_mb) == (8, "h100", 32, 64_000)
        assert node.partitions == ("gpu", "all")
        assert node.arch == "x86_64"
        assert node.os.startswith("Linux")
        assert node.address not in {"", "10.6.6.6"}
        assert node.origin["state"] == "slurm"
    assert found["cpu-001"].partitions == ("all", "hidden")
    assert found["cpu-001"].gpus == 0
    assert all(found[name].state.absent for name in ("cloud1", "future2"))  # type: ignore[union-attr]  # seen above
    assert not found["gpu-001"].state.absent  # type: ignore[union-attr]
