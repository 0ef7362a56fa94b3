"""The script for nodes: run by real shells, read between banners."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from aami_hpc.fleet.survey import probe
from aami_hpc.fleet.survey.software import known

SHELLS = ("sh", "bash", "dash", "busybox", "zsh", "ksh")  # `sh` is everywhere
ANSWER = """\
PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"
ARCH=x86_64
KERNEL=5.14.0
PYTHON=Python 3.9.18
GPUS=8
TCP=   0: 00000000:238C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
TCP=   1: 00000000:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0
THERE=/usr/sbin/nhc
"""


def test_an_answer_is_read() -> None:
    found = probe.read(ANSWER, known())
    assert (found.os, found.arch, found.kernel) == ("Rocky Linux 9.4 (Blue Onyx)", "x86_64", "5.14.0")
    assert (found.python, found.gpus, found.ports, found.software) == ("3.9.18", 8, (9100,), ("NHC",))


@pytest.mark.parametrize(
    "output", ["", "GPUS=many\nTCP=x\n\x1b[2J\n=\n\x00", "GPUS=" + "9" * 5000, "TCP=" + "0A " * 9]
)
def test_garbage_is_no_number_of_gpus_and_no_port(output: str) -> None:
    found = probe.read(output, known())
    assert (found.os, found.ports, found.software) == ("", (), ())
    assert found.gpus is None


@pytest.mark.parametrize("shell", [name for name in SHELLS if shutil.which(name)])
def test_the_script_runs_in_every_posix_shell_here(shell: str) -> None:
    argv = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [*argv, "-s"], input=probe.script(known()), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    found = probe.read(done.stdout, known())
    assert found.arch
    assert found.kernel
