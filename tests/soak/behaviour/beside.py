"""What isn't Slurm and still decides how hooks are built: how programs wait, how Python starts, node_exporter."""

from __future__ import annotations

import select
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab import ports as free_ports
from tests.lab.ledger import LabUnavailable
from tests.lab.waiting import until
from tests.soak.behaviour.experiment import experiment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.soak.behaviour.bench import Bench

_PATIENCE = 6.0  # seconds; what waits longer than this although told to wait 2 hangs
_SUBPROCESS = """
import subprocess
try:
    subprocess.run(["dd", "if=/dev/zero", "of=STUCK", "bs=1", "count=1"], timeout=2, capture_output=True)
except subprocess.TimeoutExpired:
    pass
"""
_NAMES = ("/etc/passwd", "/etc/nsswitch.conf", "nscd", "sss")


def _argv(bench: Bench, *words: str) -> list[str]:
    """A program of this release's own system."""
    root = bench.cluster.installation.root
    return list(words) if root is None else ["/usr/sbin/chroot", str(root), *words]


@experiment(
    "E8d",
    "Python's `subprocess.run(timeout=2)` and `timeout -k 1 2` on a child that sleeps in the kernel",
    used_for="probes share no descriptor with the hook, are waited for without insisting, then abandoned",
    relied={"subprocess.run": "hangs", "timeout": "ends", "the output of timeout's child": "stays open"},
)
def others_wait(bench: Bench) -> Mapping[str, Any]:
    with bench.frozen() as (path, system):
        stuck = f"{path}/stuck"
        system.freeze()
        argv = {
            "subprocess.run": ("/usr/bin/python3", "-c", _SUBPROCESS.replace("STUCK", stuck)),
            "timeout": (
                "/usr/bin/timeout",
                "-k",
                "1",
                "2",
                "dd",
                "if=/dev/zero",
                f"of={stuck}",
                "bs=1",
                "count=1",
            ),
        }
        running = {
            what: subprocess.Popen(
                _argv(bench, *words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            for what, words in argv.items()
        }
        try:
            time.sleep(_PATIENCE)
            output = running["timeout"].stdout
            assert output is not None
            closed, _, _ = select.select([output], [], [], 0)
            return {
                **{what: "hangs" if process.poll() is None else "ends" for what, process in running.items()},
                "the output of timeout's child": "is closed" if closed else "stays open",
            }
        finally:
            system.thaw()
            for process in running.values():
                process.communicate(timeout=10)


@experiment(
    "F13",
    "does an interpreter look up its user when it starts in a hook's empty environment",
    used_for="our launchers start Python with -I -S -B: no name service can hold them up",
    relied={"python3": "yes", "python3 -s": "yes", "python3 -I": "yes", "python3 -I -S -B": "no"},
)
def python_asks_names(bench: Bench) -> Mapping[str, Any]:
    if shutil.which("strace") is None:
        raise LabUnavailable("strace is not installed")
    seen = {}
    for flags in ((), ("-s",), ("-I",), ("-I", "-S", "-B")):
        argv = _argv(bench, "/usr/bin/env", "-i", "/usr/bin/python3", *flags, "-c", "pass")
        done = subprocess.run(
            ["strace", "-f", "-e", "trace=open,openat,connect", *argv],
            capture_output=True,
            text=True,
            check=True,
        )
        # What `chroot` and `env` themselves open comes before the interpreter is executed.
        asked = any(name in line for line in done.stderr.splitlines() for name in _NAMES)
        seen[" ".join(("python3", *flags))] = "yes" if asked else "no"
    return seen


@experiment(
    "F14",
    "node_exporter and its textfiles: one counter in two files, and a value that is none",
    used_for="all series of a node are in one file, written by one writer, every value checked",
    relied={
        "one counter in two files": "200, scrape_error 0, one of the two values is served",
        "a value that is none": "200, scrape_error 1, nothing of that file is served",
    },
    once=True,
)
def textfiles(bench: Bench) -> Mapping[str, Any]:
    if shutil.which("prometheus-node-exporter") is None:
        raise LabUnavailable("prometheus-node-exporter is not installed")
    series = 'aami_lab_total{{gpu="0"}} {}\n'
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lease = free_ports.lease(1)
        try:
            process = bench.ledger.start(
                [
                    *("prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{lease[0]}"),
                    *("--collector.disable-defaults", "--collector.textfile"),
                    f"--collector.textfile.directory={folder}",
                ],
                log="node_exporter.out",
            )
            until(
                lambda: free_ports.listening(lease[0]),
                "node_exporter to listen",
                timeout=20,
                evidence=lambda: bench.ledger.tail("node_exporter.out"),
            )
            for number in (1, 2):
                (folder / f"{number}.prom").write_text(series.format(number))
            twice = _scrape(lease[0])
            (folder / "2.prom").unlink()
            (folder / "1.prom").write_text(f"aami_lab_other 5\n{series.format('much')}")
            broken = _scrape(lease[0])
            bench.ledger.end(process.pid)
        finally:
            lease.release()
    return {
        "one counter in two files": f"{twice[0]}, {'one' if twice[1] == 1 else twice[1]} of the two values is served",
        "a value that is none": f"{broken[0]}, {'nothing' if broken[1] == 0 else broken[1]} of that file is served",
    }


def _scrape(port: int) -> tuple[str, int]:
    """The status with node_exporter's own word for errors, and how many series of ours there are."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
        errors = next(line.split()[1] for line in lines if line.startswith("node_textfile_scrape_error "))
        ours = sum(line.startswith("aami_lab_") for line in lines)
        return f"{answer.status}, scrape_error {errors}", ours
