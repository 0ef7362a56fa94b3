"""What a hook costs a job, against a bare interpreter and against LBNL NHC.

NHC is no part of the tests: `AAMI_BENCH_NHC` names an installed one (the program `nhc`; its scripts folder beside it
in `scripts/`). Without it that row is left out with a note.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.aami_slurm.cards import Cards
from tests.aami_slurm.tree import NodeTree, job_environment
from tests.bench import Measured, in_turns, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = "/usr/bin/python3"  # a node's own: both sides of each ratio use it
BARE = [PYTHON, "-c", "pass"]
RUNS = 31
RING = 2000
MEMORY_MB = 25
NHC = "AAMI_BENCH_NHC"
PEAK = """
import os, sys
pid = os.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(pid, 0)
print(status, used.ru_maxrss)
"""
# Eight of NHC's cheapest checks, on this machine's own numbers.
NHC_CONF = """\
* || check_fs_mount_rw -f /
* || check_fs_free / 1%
* || check_fs_ifree / 1
* || check_hw_physmem_free 1MB
* || check_hw_eth lo
* || check_file_test -r -w /etc/passwd
* || check_ps_loadavg 100000
* || check_hw_swap 0 1024TB
"""


def measure() -> Iterator[Measured]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        node = NodeTree(Path(folder) / "node", PYTHON)
        Cards(node).eight()
        node.compile()
        yield from _prolog(node)
        yield from _epilog(node)
        yield from _health(node)
        yield _memory(node)


def _environment(node: NodeTree, job_id: int) -> dict[str, str]:
    return {"AAMI_ROOT": str(node.root), **job_environment(job_id, "0,1,2,3,4,5,6,7")}


def _ready(node: NodeTree) -> None:
    """As health leaves a node: facts that are fresh."""
    done = node.run("health")
    if done.returncode or node.log():
        raise RuntimeError(f"health failed: {done.stderr} {node.log()}")


def _prolog(node: NodeTree) -> Iterator[Measured]:
    jobs = iter(range(1, 10000))
    _ready(node)
    ours, bare = in_turns(
        lambda: seconds([str(node.libexec / "prolog")], _environment(node, next(jobs))),
        lambda: seconds(BARE, dict(os.environ)),
        RUNS,
    )
    _quiet(node)
    yield _row("prolog, healthy, 8 GPUs, fresh facts", ours, bare, 3)


def _health(node: NodeTree) -> Iterator[Measured]:
    node.kmsg.write_bytes(
        b"".join(b"6,%d,%d,-;usb 1-1: something happened here\n" % (n, n * 1000) for n in range(1, RING))
    )
    ours, bare = in_turns(
        lambda: seconds([str(node.libexec / "health")], {"AAMI_ROOT": str(node.root)}),
        lambda: seconds(BARE, dict(os.environ)),
        RUNS,
    )
    _quiet(node)
    yield _row(f"health, 8 GPUs, a ring of {RING:,} lines", ours, bare, 10)


def _epilog(node: NodeTree) -> Iterator[Measured]:
    nhc = os.environ.get(NHC)
    if nhc is None:
        print(f"the epilog is not compared with NHC: {NHC} names none")
        return
    jobs = iter(range(1, 10000))
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "nhc.conf"
        conf.write_text(NHC_CONF)
        theirs = [
            nhc,
            "-c",
            str(conf),
            "-l",
            "/dev/null",
            f"INCDIR={Path(nhc).parent / 'scripts'}",
            "MARK_OFFLINE=0",
        ]
        subprocess.run(theirs, check=True, stdout=subprocess.DEVNULL)
        ours, peer = in_turns(
            lambda: seconds([str(node.libexec / "epilog")], _environment(node, next(jobs))),
            lambda: seconds(theirs, dict(os.environ)),
            RUNS,
        )
    _quiet(node)
    yield Measured(
        "epilog, whole GPU set, 8 GPUs", ours / peer, 0.5, f"{ours * 1000:.0f} ms",
        f"NHC with eight cheap checks, {peer * 1000:.0f} ms", RUNS,
    )  # fmt: skip


def _row(name: str, ours: float, bare: float, limit: float) -> Measured:
    return Measured(
        name, ours / bare, limit, f"{ours * 1000:.0f} ms", f"python3 -c pass, {bare * 1000:.0f} ms", RUNS
    )


def _memory(node: NodeTree) -> Measured:
    """The largest process of all three hooks, against the promise itself."""
    peak = max(_peak(node, hook) for hook in ("prolog", "epilog", "health"))
    return Measured(
        "largest process of a hook, MB", peak, MEMORY_MB, f"{peak:.0f} MB", "an absolute limit", 3
    )


def _peak(node: NodeTree, hook: str) -> float:
    """Asked by a small process: one that a large process starts is told the large one's peak."""
    done = subprocess.run(
        [PYTHON, "-I", "-S", "-c", PEAK, node.libexec / hook], env=_environment(node, 77),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    status, kilobytes = done.stdout.split()
    if status != "0":
        raise RuntimeError(f"{hook} ended with {status}")
    return int(kilobytes) / 1024


def _quiet(node: NodeTree) -> None:
    if node.log():
        raise RuntimeError(f"a hook that was measured failed: {node.log()[-1]}")
