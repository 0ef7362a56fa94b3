"""The checks, their probes and the site's checks on a real Python 3.6, as a node starts it: without site-packages or locale."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import aami_slurm
import aami_xid
from aami_slurm import checks
from tests.aami_slurm.checks.worlds import KINDS, fixtures, world
from tests.lab.require import unavailable

FACTS = (
    "inventory", "gpus", "kernel", "pci", "hang", "mounts", "disks", "services", "clock_sync", "infiniband",
    "neighbours", "trouble", "expected_gpus",
)  # fmt: skip
RUNNER = """
import sys
sys.path[:0] = sys.argv[1:3]
from aami_slurm import checks, fast_json
from aami_slurm.facts import Facts
for line in sys.stdin:
    told = fast_json.loads(line)
    facts = Facts("gpu-001", told["phase"], told["now"], told["mono_us"])
    for name, value in told["facts"].items():
        setattr(facts, name, value)
    if told["job_gpus"] is not None:
        facts.job_gpus = frozenset(told["job_gpus"])
    found = checks.load(told["check"]).check(facts, told["limits"])
    print(fast_json.dumps([[one.outcome, one.code, one.summary, one.evidence] for one in found]))
"""
PROBES = """
import os, sys
sys.path[:0] = sys.argv[1:3]
from aami_slurm import site_checks
from aami_slurm.places import Places
from aami_slurm.probes import clock_sync, disks, infiniband, mounts, pci, services
folder = sys.argv[3]
os.mkdir((folder + "/h\\xf6me").encode("utf-8"))
assert mounts.read({"path": folder + "/h\\xf6me"}) == {"stat": "ok"}
assert disks.read({"paths": ["/"]})["/"]["total"] > 0
assert isinstance(clock_sync.read({})["synced"], bool)
assert isinstance(infiniband.read({}), list)
assert not pci.is_there(pci.read_all(Places(), ["ffff:ff:1f"])["ffff:ff:1f"])
try:
    assert services.read({"units": ["x.service"]})["x.service"]["active"] == "not-found"
except services.NoSystemd:
    pass
assert site_checks.find(Places(folder)) == ([], [])
assert site_checks.read(0, b'{"outcome": "warn", "summary": "x"}').outcome == "warn"
loaded = sorted(set(sys.modules) & {"re", "json", "subprocess", "logging", "typing", "pathlib", "tempfile", "socket"})
print(loaded)
"""


@pytest.fixture(scope="module")
def oldest() -> list[str]:
    found = sorted(Path.home().glob(".pyenv/versions/3.6.*/bin/python3"))
    if not found:
        unavailable("no Python 3.6: the checks can't be tried on the oldest one")
    folders = [str(Path(str(package.__file__)).resolve().parents[1]) for package in (aami_slurm, aami_xid)]
    return [str(found[0]), "-I", "-S", "-B", "-c", "", *folders]


def run(oldest: list[str], code: str, *more: str, told: str = "") -> str:
    argv = [*oldest[:5], code, *oldest[6:], *more]
    done = subprocess.run(argv, input=told, capture_output=True, text=True, check=False, env={}, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_fixture_finds_the_same_there(oldest: list[str]) -> None:
    asked, expected = [], []
    for name in checks.TABLE:
        module = checks.load(name)
        for case in [case for kind in KINDS for case in fixtures(name)[kind]]:
            facts = world(case)
            limits: dict[str, Any] = {**copy.deepcopy(module.DEFAULTS["limits"]), **case.get("limits", {})}
            values = {fact: getattr(facts, fact) for fact in FACTS}
            gpus = None if facts.job_gpus is None else sorted(facts.job_gpus)
            head = {"check": name, "phase": facts.phase, "now": facts.now, "mono_us": facts.mono_us}
            asked.append(json.dumps({**head, "facts": values, "job_gpus": gpus, "limits": limits}))
            found = module.check(facts, limits)
            expected.append([[one.outcome, one.code, one.summary, one.evidence] for one in found])
    told = run(oldest, RUNNER, told="\n".join(asked) + "\n").splitlines()
    assert [json.loads(line) for line in told] == json.loads(json.dumps(expected))


def test_the_probes_work_there_and_import_little(oldest: list[str], tmp_path: Path) -> None:
    loaded = run(oldest, PROBES, str(tmp_path)).strip()
    assert "subprocess" not in loaded
    assert "json" not in loaded
