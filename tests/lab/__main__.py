"""`make lab`: a real Slurm cluster with fake GPUs, or real systemd nodes, on this machine, for people.

make lab ARGS='up --release 24.11 --nodes 4' starts a cluster and keeps it until Ctrl-C; with --detach it returns.
make lab ARGS='nodes --slurm' boots nodes with systemd and sshd of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from tests.lab import node_command
from tests.lab.ledger import ROOT, LabError, Ledger, owner, sweep
from tests.lab.releases import Release
from tests.lab.slurm import SlurmCluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_NAME = "up"  # runs of people are called up-<id>; tests' own are left alone
_FACTS = "cluster.json"
_DOWN_LIMIT = 60.0


def main(argv: Sequence[str]) -> int:
    if argv[:1] == ["nodes"]:
        return node_command.main(argv[1:])
    options = _parser().parse_args(argv)
    try:
        return int(options.job(options))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("up", help="start a cluster")
    command.add_argument("--release", choices=[release.value for release in Release], default="22.05")
    command.add_argument("--nodes", type=int, default=3)
    command.add_argument("--gpus", type=int, default=8, help="GPUs of each node")
    command.add_argument("--accounting", action="store_true", help="with slurmdbd, so that sacct works")
    command.add_argument("--detach", action="store_true", help="return when it is up")
    command.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    command.set_defaults(job=_up)
    command = commands.add_parser("down", help="end clusters that `up` started")
    command.add_argument("names", nargs="*", metavar="NAME", help="as `list` names them; default: all")
    command.set_defaults(job=_down)
    commands.add_parser("list", help="the clusters that `up` started").set_defaults(job=_list)
    commands.add_parser("nodes", help="real nodes with systemd and sshd, until Ctrl-C (see nodes --help)")
    commands.add_parser("sweep", help="clean up after runs that were killed").set_defaults(job=_sweep)
    return parser


def _up(options: argparse.Namespace) -> int:
    if options.detach:
        return _detach(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sweep()
    with contextlib.suppress(KeyboardInterrupt), Ledger(_NAME) as ledger:
        release = Release(options.release)
        wishes = {"nodes": options.nodes, "gpus": options.gpus, "accounting": options.accounting}
        with SlurmCluster(ledger, release=release, **wishes) as cluster:
            facts = {
                "release": cluster.version,
                "nodes": len(cluster.nodes),
                "conf": str(cluster.conf),
                "bin_dir": str(cluster.bin_dir),
            }
            (ledger.folder / _FACTS).write_text(json.dumps(facts))
            _say(options.ready_fd, _instructions(ledger.folder.name, facts))
            _until_told()
    return 0


def _until_told() -> None:
    """Wait for Ctrl-C or SIGTERM; a second one does not break the cleaning up."""
    try:
        while True:
            signal.pause()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _detach(options: argparse.Namespace) -> int:
    """The same command in the background, which tells us through a pipe when it is up."""
    reader, writer = os.pipe()
    words = [f"--release={options.release}", f"--nodes={options.nodes}", f"--gpus={options.gpus}"]
    if options.accounting:
        words.append("--accounting")
    with tempfile.TemporaryFile() as said:
        subprocess.Popen(
            [sys.executable, "-m", "tests.lab", "up", *words, f"--ready-fd={writer}"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=[writer],
            start_new_session=True,
        )
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as pipe:
            instructions = pipe.read()
        said.seek(0)
        print(instructions or said.read().decode(errors="replace"), end="")
    return 0 if instructions else 1


def _say(descriptor: int | None, text: str) -> None:
    if descriptor is None:
        print(f"{text}Ctrl-C ends it.", flush=True)
    else:
        with os.fdopen(descriptor, "w", encoding="utf-8") as pipe:
            pipe.write(text)


def _instructions(name: str, facts: dict[str, Any]) -> str:
    conf, bin_dir = shlex.quote(facts["conf"]), shlex.quote(facts["bin_dir"])
    return (
        f"{name}: Slurm {facts['release']} with {facts['nodes']} nodes is up. In a shell:\n\n"
        f"  export SLURM_CONF={conf}\n"
        f"  export PATH={bin_dir}:$PATH\n"
        "  sinfo -N -l\n\n"
        f"End it with: python -m tests.lab down {name}\n"
    )


def _down(options: argparse.Namespace) -> int:
    runs = dict(_runs())
    unknown = sorted(set(options.names) - {folder.name for folder in runs})
    if unknown:
        raise LabError(f"no such cluster: {', '.join(unknown)}; `list` names those that run")
    for folder, pid in runs.items():
        if not options.names or folder.name in options.names:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + _DOWN_LIMIT
            while folder.exists():
                if time.monotonic() > deadline:
                    raise LabError(f"{folder.name} did not end within {_DOWN_LIMIT:g} s")
                time.sleep(0.1)
            print(f"{folder.name} is down")
    return 0


def _list(options: argparse.Namespace) -> int:
    for folder, pid in _runs():
        facts = json.loads((folder / _FACTS).read_text())
        print(f"{folder.name}  Slurm {facts['release']}  {facts['nodes']} nodes  pid {pid}  {facts['conf']}")
    return 0


def _sweep(options: argparse.Namespace) -> int:
    for name in sweep():
        print(f"cleaned up after {name}")
    return 0


def _runs() -> Iterator[tuple[Path, int]]:
    """The clusters that `up` started and that are up, with the pid of the process that keeps each."""
    for folder in sorted(ROOT.glob(f"{_NAME}-*")):
        keeper = owner(folder)
        if keeper is not None and (folder / _FACTS).exists():
            yield folder, keeper.pid


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
