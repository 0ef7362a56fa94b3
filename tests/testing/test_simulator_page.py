"""docs/simulator.md: its examples run, and it names every fault and option."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import aami_hpc
from aami_hpc.testing.dcgm_faults import KINDS, read_timeline
from tests.lab.nvml.faults import GPU_FAULTS, NODE_FAULTS

if TYPE_CHECKING:
    from tests.lab.nvml.build import Stub

CLONE = Path(aami_hpc.__file__).resolve().parent.parent
PAGE = (CLONE / "docs/simulator.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_fault_and_parameter_is_named() -> None:
    table = {
        name: row
        for row in PAGE.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])
    }
    assert set(KINDS) <= set(table)
    for kind, about in KINDS.items():
        assert [name for name in about.parameters if f"`{name}`" not in table[kind]] == []
    words = set(
        re.findall(r"[a-z0-9-]+", PAGE.partition("Faults of a GPU: ")[2].partition("A reading can")[0])
    )
    assert set(GPU_FAULTS) | set(NODE_FAULTS) <= words


def test_every_option_is_explained() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aami_hpc.testing.dcgm", "--help"], capture_output=True, text=True, check=True
    )
    options = set(re.findall(r"--[a-z-]+", done.stdout)) - {"--help"}
    assert [option for option in sorted(options) if f"`{option}`" not in PAGE] == []


def test_the_timeline_is_one() -> None:
    (block,) = _blocks("yaml")
    assert [fault.kind for fault in read_timeline(yaml.safe_load(block))] == ["xid", "throttle", "frozen"]


@pytest.mark.parametrize("number", range(2))
def test_the_python_examples_run(number: int, tmp_path: Path, nvml_stub: Stub) -> None:
    code = _blocks("python")[number].replace("/tmp/", f"{tmp_path}/")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CLONE, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert ("127.0.0.1:" in done.stdout) == (number == 0)
    assert (str(nvml_stub.folder) in done.stdout) == (number == 1)
