"""Real nodes for people: `make lab ARGS=nodes` boots them and keeps them until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
from typing import TYPE_CHECKING

from tests.lab.ledger import LabError, Ledger, sweep
from tests.lab.nodes import NodeLab

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ENDINGS = (signal.SIGINT, signal.SIGTERM)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab nodes", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--nodes", type=int, default=3, help="compute nodes beside the head node")
    parser.add_argument(
        "--slurm", action="store_true", help="with slurmctld on the head, slurmd on the others"
    )
    parser.add_argument("--gpus", type=int, default=8, help="fake GPUs of each node, with --slurm")
    options = parser.parse_args(argv)
    for number in _ENDINGS:
        signal.signal(number, signal.default_int_handler)
    names = [f"gpu{number:03}" for number in range(1, options.nodes + 1)]
    sweep()
    try:
        with contextlib.suppress(KeyboardInterrupt), Ledger("people") as ledger:
            wanted = NodeLab(ledger, names, slurm=options.slurm, gpus=options.gpus if options.slurm else 0)
            with wanted as lab:
                print(instructions(lab), flush=True)
                _until_told()
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _until_told() -> None:
    """Wait for Ctrl-C or SIGTERM; a second one does not break the cleaning up."""
    try:
        signal.pause()
    finally:
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)


def instructions(lab: NodeLab) -> str:
    """What to type, with an ssh configuration made for it."""
    names = ", ".join(node.name for node in lab.machines)
    ssh = shlex.join(lab.network.inside("ssh", "-F", ssh_config(lab), lab.head.name))
    return f"{names} are up. In another shell, as root:\n\n  {ssh}\n\nCtrl-C here ends them."


def ssh_config(lab: NodeLab) -> Path:
    """A file for `ssh -F` that knows the nodes by name."""
    lines = []
    for node in lab.machines:
        lines += [f"Host {node.name}", f"  HostName {node.address}", "  User root"]
        lines += [f"  {option.replace('=', ' ', 1)}" for option in lab.ssh_options]
    path = lab.ledger.folder / "ssh_config"
    path.write_text("\n".join(lines) + "\n")
    return path
