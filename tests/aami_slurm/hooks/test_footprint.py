"""What a hook loads and asks of the system: pinned, because each of these has taken clusters down elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.aami_slurm.tree import job_environment

if TYPE_CHECKING:
    from tests.aami_slurm.cards import Cards

# What the healthy path of each hook may load of ours. One module more costs every job of every cluster.
PROLOG = {
    "book", "clock", "ending", "entry", "fast_json", "files", "finding", "gpus", "hook", "inventory", "job",
    "kernel_log", "known", "lock", "log", "metrics", "node", "places", "probes", "probes.pci", "prolog", "register",
    "runs", "settings", "signals", "snapshot", "state", "text", "textfile",
}  # fmt: skip
# Modules of the standard library that cost a hook milliseconds and that no hook's own process needs.
HEAVY = {
    "argparse", "asyncio", "ctypes", "dataclasses", "json", "logging", "pathlib", "pwd", "re", "shutil", "signal",
    "site", "socket", "ssl", "subprocess", "tempfile", "threading", "typing", "urllib",
}  # fmt: skip
LIST = """
import os, sys
sys.path.insert(0, sys.argv[1])
os.environ.update({pair.split("=", 1)[0]: pair.split("=", 1)[1] for pair in sys.argv[3:]})
from aami_slurm import entry, hook
def here(work, limit):
    answer = work()
    sys.stderr.write(" ".join(sorted(sys.modules)))
    return answer
hook.supervise = here
sys.exit(entry.main([sys.argv[2]]))
"""
NAME_SERVICE = re.compile(r"/etc/(passwd|group|nsswitch\.conf|hosts|resolv\.conf)|nscd|libnss|\.sss")
STRACE = shutil.which("strace")
PYTHON = Path("/usr/bin/python3")  # not one that lives in somebody's home


def loaded(node: Cards, hook: str, environ: dict[str, str]) -> set[str]:
    pairs = [f"{name}={value}" for name, value in {**environ, "AAMI_ROOT": str(node.node.root)}.items()]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", LIST, str(node.node.tree), hook, *pairs],
        env={}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stderr.split())


def ours(modules: set[str]) -> set[str]:
    return {name.removeprefix("aami_slurm.") for name in modules if name.startswith("aami_slurm.")}


def test_the_healthy_prolog_loads_just_this(node: Cards) -> None:
    modules = loaded(node, "prolog", job_environment())
    assert ours(modules) == PROLOG
    assert not modules & HEAVY
    assert not any(name.startswith("aami_xid") for name in modules)


@pytest.mark.parametrize("hook", ["epilog", "health"])
def test_the_other_hooks_keep_heavy_modules_in_their_probes(node: Cards, hook: str) -> None:
    modules = loaded(node, hook, job_environment(SLURM_JOB_EXIT_CODE2="0:0"))
    assert not modules & HEAVY


def test_only_aami_slurm_and_aami_xid_and_the_standard_library(node: Cards) -> None:
    node.says(3, 79, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.")
    node.put(node.state.with_fault("lost", gpu=3))
    for hook in ("prolog", "epilog", "health"):
        roots = {
            name.partition(".")[0] for name in loaded(node, hook, job_environment(SLURM_JOB_EXIT_CODE2="0:9"))
        }
        assert roots - set(sys.stdlib_module_names) - {"__main__"} <= {"aami_slurm", "aami_xid"}, hook


@pytest.mark.skipif(
    STRACE is None or not PYTHON.exists(), reason="strace or the system's Python is not installed"
)
@pytest.mark.parametrize("hook", ["prolog", "epilog", "health"])
def test_no_name_service_no_connection_no_home_with_an_empty_environment(
    node: Cards, hook: str, tmp_path: Path
) -> None:
    """slurmd gives health SLURMD_NODENAME and nothing else: no PATH, no HOME, no locale."""
    environ = {"SLURMD_NODENAME": "gpu-001", "AAMI_ROOT": str(node.node.root)}
    if hook != "health":
        environ |= job_environment(SLURM_JOB_EXIT_CODE2="0:0")
    (node.node.tree / "python").write_text(f"{PYTHON}\n")
    trace = tmp_path / "trace"
    done = subprocess.run(
        [str(STRACE), "-f", "-qq", "-e", "trace=connect,socket,open,openat,stat,newfstatat,access", "-o", trace,
         "-E", "PATH", *[word for name in os.environ for word in ("-E", name)],
         *[word for pair in environ.items() for word in ("-E", "=".join(pair))],
         node.node.libexec / hook],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, node.node.log()) == (0, [])
    calls = trace.read_text().splitlines()
    assert len(calls) > 50
    assert [line for line in calls if "connect(" in line or "socket(" in line] == []
    assert [line for line in calls if NAME_SERVICE.search(line)] == []
    assert [line for line in calls if re.search(r'"(/root|/home|~)', line)] == []
    assert [line for line in calls if ".pyc." in line or ("O_WRONLY" in line and "__pycache__" in line)] == []


def test_without_path_and_without_a_job_health_runs(node: Cards) -> None:
    done = subprocess.run(
        [node.node.libexec / "health"], env={"AAMI_ROOT": str(node.node.root), "SLURMD_NODENAME": "gpu-001"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr, node.node.log()) == (0, b"", b"", [])


def test_a_job_hook_outside_of_slurm_says_so(node: Cards) -> None:
    assert node.node.run("prolog").returncode == 0
    assert "only slurmd calls this" in node.node.log()[-1]
