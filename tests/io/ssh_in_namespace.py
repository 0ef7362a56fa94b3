"""Run as a program in a network namespace of its own (`unshare --net`): the network's faults, met for real.

Usage: ssh_in_namespace.py FOLDER. Prints the outcomes as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from aami_hpc.io.ssh import SshOptions, SshPool, Target
from aami_hpc.testing.sshd import SshNode, ssh_node
from tests.io.ssh_support import living, local, many, script, wait_for, world

_SETUP = """
ip link set lo up
ip link add hole type veth peer name nowhere
ip address add 10.9.0.1/24 dev hole
ip link set hole up
ip link set nowhere up
ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:01 dev hole
ip route add unreachable 10.9.1.0/24
ip route add prohibit 10.9.2.0/24
"""
_PLACES = {"none": "10.8.0.1", "unreachable": "10.9.1.1", "prohibited": "10.9.2.1", "silent": "10.9.0.2"}


def main(folder: Path) -> None:
    subprocess.run(["sh", "-ec", _SETUP], check=True)
    found: dict[str, Any] = {}
    targets = [Target(name, address) for name, address in _PLACES.items()]
    outcomes, _ = many(SshOptions(connect_timeout=1), targets, folder)
    for name, outcome in outcomes.items():
        found[name] = [outcome.kind.value, outcome.detail]
    with ssh_node() as bastion:
        options = world(
            folder, bastion, names=["bastion", *_PLACES], config=_bastion(bastion), proxy_jump="bastion"
        )
        outcomes, _ = many(options, targets[:2], folder)
        for name, outcome in outcomes.items():
            found[f"{name} behind a jump host"] = [outcome.kind.value, outcome.detail]
    with ssh_node() as node:
        found.update(asyncio.run(cut(node, folder)))
    print(json.dumps(found))


def _bastion(node: SshNode) -> str:
    return f"Host bastion\n  HostName {node.address}\n  Port {node.port}\n"


async def cut(node: SshNode, folder: Path) -> dict[str, Any]:
    """The link is cut while a command runs: neither side is told."""
    options = world(folder, node, names=["gpu-001"], command_timeout=2, keepalive=0)
    async with SshPool(options, local=local(folder)) as pool:
        work = asyncio.ensure_future(
            pool.one(Target("gpu-001", node.address, node.port), script("sleep 77100"))
        )
        await asyncio.to_thread(wait_for, "77100", 1)
        await asyncio.to_thread(subprocess.run, ["ip", "link", "set", "lo", "down"], check=True)
        outcome = await work
        await asyncio.to_thread(wait_for, "77100", 0)
        return {"cut": [outcome.kind.value, outcome.detail], "left behind": living("77100")}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
