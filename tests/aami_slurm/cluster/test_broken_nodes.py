"""Nodes on which something of ours is broken or missing: Slurm runs its jobs there, and no node is drained."""

from __future__ import annotations

import contextlib
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.cluster.hooked import Hooked
from tests.aami_slurm.tree import job_environment
from tests.lab.faults import frozen_file_system, full_disk, read_only
from tests.lab.releases import Release
from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.faults import FrozenFileSystem
    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab
HARD = {"prolog": 4.0, "epilog": 8.0, "health": 45.0}  # seconds, as Slurm sees them
SLACK = 1.5  # this machine runs all nodes at once


def _remove(*parts: str) -> Callable[[Path], None]:
    def work(root: Path) -> None:
        for part in parts:
            path = root / part
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    return work


def _write(part: str, text: str) -> Callable[[Path], None]:
    def work(root: Path) -> None:
        path = root / part
        path.write_text(text)
        path.chmod(0o755)

    return work


CURRENT = "usr/lib/aami-hpc/current"
BROKEN: dict[str, Callable[[Path], None]] = {
    "booted without our tree": _remove("usr/lib/aami-hpc", "usr/libexec/aami-hpc"),
    "without the code, launchers left": _remove("usr/lib/aami-hpc"),
    "without anything": _remove(""),
    "interpreter named, and gone": _write(f"{CURRENT}/python", "/nowhere/bin/python3\n"),
    "interpreter that can't run": lambda root: [
        _write(f"{CURRENT}/python", f"{root}/broken\n")(root),
        _write("broken", "\x7fELF")(root),
    ][0],
    "SyntaxError": _write(f"{CURRENT}/aami_slurm/hook.py", "def (\n"),
    "ImportError": _remove(f"{CURRENT}/aami_slurm/node.py"),
    "settings broken": _write(f"{CURRENT}/node.json", '{"schema": '),
    "settings of another release": _write(f"{CURRENT}/node.json", '{"schema": "aami.node/99"}'),
    "policy broken": _write(f"{CURRENT}/node.json", '{"schema": "aami.node/1", "policy": [1, {"rules": 3}]}'),
}
DISKS = {
    f"{how} {where}": (how, where) for how in ("full", "read-only", "frozen") for where in ("var/lib", "run")
}
NAMES = [*BROKEN, *DISKS]


class Broken:
    """One node for each way to be broken, by the words for it; and one that is well."""

    def __init__(self, hooked: Hooked, frozen: FrozenFileSystem) -> None:
        self.hooked = hooked
        self.frozen = frozen
        self.nodes = dict(zip([*NAMES, "well"], hooked.slurm.nodes, strict=True))


@pytest.fixture(scope="module", params=list(Release), ids=lambda release: release.value)
def broken(request: pytest.FixtureRequest, lab_ledger: Ledger) -> Iterator[Broken]:
    with lab(), contextlib.ExitStack() as stack:
        frozen = stack.enter_context(frozen_file_system(lab_ledger, frozen=False))
        disks = {
            "full": stack.enter_context(full_disk(lab_ledger, size="256k")),
            "read-only": stack.enter_context(read_only(lab_ledger)),
            "frozen": frozen.path,
        }
        for where in ("var", "run"):
            (frozen.path / where).mkdir()
        hooked = Hooked(
            lab_ledger,
            release=request.param,
            nodes=len(NAMES) + 1,
            shared=tuple(disks.values()),
            partitions={"gpu": "Nodes=ALL Default=YES State=UP"},
        )
        made = Broken(hooked, frozen)
        for name, node in made.nodes.items():
            root = hooked[node].node.root
            (root / "run/aami-hpc").mkdir()  # where launchers write what they complain of
            if name in BROKEN:
                BROKEN[name](root)
            elif name in DISKS:
                how, where = DISKS[name]
                shutil.rmtree(root / where)
                (root / where).symlink_to(
                    disks[how] / where.partition("/")[0] if how == "frozen" else disks[how]
                )
        if request.param is Release.BOOKWORM:  # it costs both hooks' limits, and Slurm's release nothing
            frozen.freeze()
        with hooked:
            yield made
            frozen.thaw()


def test_jobs_run_on_every_one_of_them_and_no_node_is_drained(broken: Broken) -> None:
    slurm, began = broken.hooked.slurm, time.monotonic()
    jobs = {
        name: slurm.sbatch(f'echo "on {node}"; sleep 1', "--gres=gpu:2", f"--nodelist={node}")
        for name, node in broken.nodes.items()
    }
    for name, job in jobs.items():
        slurm.wait_job(job)
        assert slurm.output(job) == f"on {broken.nodes[name]}\n", name
    slurm.wait_nodes()
    assert broken.hooked.reasons() == {}
    assert time.monotonic() - began < sum(HARD[hook] for hook in ("prolog", "epilog")) + len(jobs)
    logs = broken.hooked.logs()
    assert broken.nodes["well"] not in logs
    assert len(broken.hooked.runs(broken.nodes["well"], "end")) == 1
    for name in (
        "SyntaxError",
        "ImportError",
        "settings broken",
        "full var/lib",
        "read-only var/lib",
        *(["frozen var/lib"] if broken.frozen.frozen else []),
    ):
        lines = logs.get(broken.nodes[name], [])
        assert len(lines) == 2, (name, lines)  # one for the prolog, one for the epilog
    assert len(broken.hooked.runs(broken.nodes["interpreter named, and gone"], "end")) == 1


@pytest.mark.soak
def test_no_hook_is_longer_than_its_limit_or_ends_with_anything_but_0(broken: Broken) -> None:
    def took(name: str) -> dict[str, tuple[int, float]]:
        node, found = broken.nodes[name], {}
        for hook in ("prolog", "epilog"):
            began = time.monotonic()
            status = broken.hooked.run(node, hook, job_environment(7, "0", SLURMD_NODENAME=node))
            found[hook] = (status, time.monotonic() - began)
        return found

    has_launchers = [name for name in NAMES if name not in {"booted without our tree", "without anything"}]
    with ThreadPoolExecutor(4) as pool:
        for name, found in zip(has_launchers, pool.map(took, has_launchers), strict=True):
            for hook, (status, seconds) in found.items():
                assert status == 0, (name, hook)
                assert seconds < HARD[hook] + SLACK, (name, hook, seconds)
