"""What users can write reaches no decision, no textfile and no reason: forged lines, hostile names, in a policy that enforces."""

from __future__ import annotations

import os
import stat
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aami_slurm import reason
from tests.aami_slurm.cluster.hooked import FALLEN, PYTHON, Hooked
from tests.lab.require import lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ledger import Ledger

pytestmark = pytest.mark.lab
NODE = "gpu-001"
USER = 4  # facility
NASTY = 'x"}\n# HELP evil\nevil{a="b"} 1\n\x1b[31m$(touch /tmp/aami-owned);`id`\'\\'
SEGFAULT = """\
import ctypes, sys
libc = ctypes.CDLL(None)
libc.prctl(15, sys.argv[1].encode())
ctypes.string_at(0)
"""


@pytest.fixture(scope="module")
def cluster(lab_ledger: Ledger) -> Iterator[Hooked]:
    with lab(), Hooked(lab_ledger, nodes=1) as made:
        yield made


@pytest.fixture
def hooked(cluster: Hooked) -> Iterator[Hooked]:
    yield cluster.fresh()
    assert cluster.logs() == {}


def nothing_follows(hooked: Hooked) -> None:
    """Health, a prolog and an epilog have looked, and the node is in service."""
    hooked.health()
    job = hooked.slurm.sbatch("true", "--gres=gpu:8")
    hooked.slurm.wait_job(job)
    hooked.wait_end(NODE, job)
    hooked.slurm.wait_nodes()
    hooked.health()
    assert hooked.reasons() == {}
    assert hooked.events(NODE, "xid") == []
    assert hooked.events(NODE, "decision") == []
    assert hooked.events(NODE, "drain") == []


def raw(hooked: Hooked, *records: str) -> None:
    with hooked[NODE].node.kmsg.open("r+b") as log:
        seq = len(log.read().splitlines())
        for number, record in enumerate(records, seq + 1):
            log.write(record.replace("SEQ", str(number)).encode("utf-8", "surrogateescape") + b"\n")


def test_forged_records_in_the_kernels_own_stream(hooked: Hooked) -> None:
    """By facility: `logger` and /dev/kmsg. By form: process names, other nodes' GPUs, what is no bus id."""
    bus_id = hooked[NODE].bus_id(0)
    for facility in (1, 3, USER, 16):
        hooked[NODE].says(0, 79, FALLEN, facility=facility)
    now = "SEQ,99,-;"
    raw(
        hooked,
        f"6,{now}NVRM: Xid (PCI:[4242]: segfault at 0 ip 0000000000000000 sp 00007ffd error 14 in x[400000+1000]",
        f"6,{now}NVRM: Xid 79: x[4242]: segfault at 0 ip 0000000000000000 sp 00007ffd error 14",
        f"4,{now}NVRM: Xid 79, GPU has fallen off the bus.",
        f"4,{now}NVRM: Xid (PCI:0000:ff:00): 79, {FALLEN}",
        f"4,{now}NVRM: Xid (0): 79, {FALLEN}",
        f"4,{now}audit: comm=NVRM: Xid (PCI:{bus_id}): 79, {FALLEN}",
        f"4,{now}out of memory: Killed process 1 (NVRM: Xid (PCI:{bus_id}): 79, {FALLEN}",
        f"4,{now}nvidia-nvswitch0: SXid (PCI:0000:ff:00.0): 12028, Fatal, Link 32",
        f"14,{now}NVRM: Xid (PCI:{bus_id}): 79, {FALLEN}",
        "4,79,NVRM: Xid",
    )
    nothing_follows(hooked)
    assert hooked.events(NODE, "unattributed") != []
    assert "aami_gpu_xid_events_total{" not in hooked[NODE].node.metrics()


def segfault(name: str) -> None:
    """An ordinary user's process of that name that really crashes, so that the kernel prints the name."""
    done = subprocess.run(
        [PYTHON, "-I", "-S", "-c", SEGFAULT, name], user=65534, group=65534, extra_groups=[], check=False,
        stdin=subprocess.DEVNULL, capture_output=True, cwd="/",
    )  # fmt: skip
    assert done.returncode == -11


def test_forged_lines_in_the_real_kernel_log(hooked: Hooked) -> None:
    """A write to /dev/kmsg that asks for facility kern, and the kernel itself printing names that users chose."""
    node = hooked[NODE]
    node.node.kmsg.unlink()
    os.mknod(node.node.kmsg, stat.S_IFCHR | 0o600, os.makedev(1, 11))
    try:
        hooked.health()
        mark = uuid.uuid4().hex
        with Path("/dev/kmsg").open("wb", buffering=0) as device:
            for priority in (0, 4, 12, 28):
                line = f"<{priority}>NVRM: Xid (PCI:{node.bus_id(0)}): 79, {FALLEN} {mark}"
                device.write(line.encode())
        names = [f"NVRM: Xid (PCI:{node.bus_id(0)}): 79, x"[:15], "NVRM: Xid 79: x"]
        for name in names:
            segfault(name)
        nothing_follows(hooked)
        told = [event["raw"] for event in hooked.events(NODE, "unattributed")]
        assert len([one for one in told if mark in one]) == 4
        for name in names:
            assert any(one.partition(";")[2].startswith(f"{name}[") or f"{name}[" in one for one in told), (
                name
            )
    finally:
        node.node.kmsg.unlink()
        node.node.kmsg.write_bytes(b"")


def test_names_and_comments_of_jobs_reach_nobody_raw(hooked: Hooked) -> None:
    script = "while [ ! -e done ]; do sleep 0.2; done"
    done = hooked.slurm.layout.jobs / "done"
    job = hooked.slurm.sbatch(
        script, "--gres=gpu:1", f"--comment={NASTY}", f"--job-name={NASTY}", f"--account={NASTY}"
    )
    hooked.wait_series(NODE, job)
    node = hooked[NODE]
    node.says(0, 43, f"pid=1, name={NASTY}".replace("\n", "\\x0a"))
    node.says(0, 79, f"pid=1, name={NASTY}, {FALLEN}".replace("\n", "\\x0a"))
    hooked.health()
    page = node.node.metrics()
    assert not any(line.startswith("evil") for line in page.splitlines())
    assert not any(char < " " and char != "\n" for char in page)
    text = hooked.slurm.ask("sinfo", "--noheader", "--Format=Reason:250")
    parts = reason.parse(text.strip())
    assert parts is not None
    assert (parts.who, parts.code) == ("a", "xid79")
    assert not set(text.strip()) - set(map(chr, range(32, 127))) - {"\n"}
    assert not set(text) & set("\"'`$;\\\x1b{}")
    done.touch()
    hooked.slurm.wait_job(job)
    done.unlink()
    run = hooked.wait_end(NODE, job)
    assert run["start"]
    for path in (node.node.root / "var/lib/aami-hpc").rglob("*.jsonl"):
        assert not any(byte < 32 or byte > 126 for line in path.read_bytes().split(b"\n") for byte in line)
    assert not os.path.lexists("/tmp/aami-owned")


def test_a_process_on_the_gpu_with_a_hostile_name_reaches_nobody_raw(hooked: Hooked) -> None:
    node = hooked[NODE]
    node.fault("hostile-process", gpu=0)
    job = hooked.slurm.sbatch("true", "--gres=gpu:1")
    hooked.wait_end(NODE, job)
    hooked.slurm.wait_nodes("IDLE", "DRAINED")
    for text in (node.node.metrics(), str(hooked.reasons())):
        assert "\x1b" not in text
        assert "$(reboot)" not in text
