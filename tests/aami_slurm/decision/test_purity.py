"""The decision's modules: no clock, no file, no network, little to import, and the same answers on Python 3.6."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import aami_slurm
import aami_xid
from tests.xid.test_node_side import old_pythons

PACKAGE = Path(aami_slurm.__file__).resolve().parent
PATHS = [str(PACKAGE.parent), str(Path(aami_xid.__file__).resolve().parent.parent)]
MODULES = ("nodes", "policy", "rails", "reason", "verdict")
PURE = {f"aami_slurm.{name}" for name in (*MODULES, "finding", "text")} | {"aami_xid.civil"}
ALLOWED = PURE | {"aami_slurm", "base64", "hashlib", "typing"}
EDGES = {
    "open",
    "print",
    "input",
    "exec",
    "eval",
    "compile",
    "__import__",
    "globals",
    "breakpoint",
    "id",
    "hash",
}


def tree(name: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))


def imported(name: str) -> set[str]:
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found |= (
                {f"{module}.{alias.name}" for alias in node.names} if module == "aami_slurm" else {module}
            )
    return found


@pytest.mark.parametrize("name", [*MODULES, "finding", "text"])
def test_they_import_no_edge_of_the_world(name: str) -> None:
    assert imported(name) <= ALLOWED


@pytest.mark.parametrize("name", [*MODULES, "finding", "text"])
def test_they_call_no_edge_of_the_world(name: str) -> None:
    called = {
        node.func.id
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & EDGES


def loaded_by(code: str) -> set[str]:
    script = f"import sys; sys.path[:0] = {PATHS!r}; before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


SNOOZED = """
from aami_slurm import nodes, policy, rails, verdict
from aami_slurm.finding import Finding
told = {"schema": "aami.policy/1", "rails": rails.STANDARD, "rules": [{"check": "xid", "nodes": "g[1-9]", "snooze_until": "2027-01-01"}]}
rule = policy.resolve(told, "g7", "xid", {"effect": "block-and-drain", "budget_s": 1, "limits": {}}, 0.0)
found = Finding("fail", "lost", code="xid79", check="xid", evidence={"mono_us": 5, "seq": 1})
assert verdict.decide("prolog", [found], {"xid": rule}, job_gpus=None, covered_seq=0, now_mono_us=9).would == "block-and-drain"
"""


def test_deciding_loads_nothing_else() -> None:
    expected = {f"aami_slurm.{name}" for name in (*MODULES, "finding", "text") if name != "reason"}
    assert loaded_by("from aami_slurm import nodes, policy, rails, verdict") == {"aami_slurm", *expected}
    assert loaded_by(SNOOZED) == {"aami_slurm", *expected, "aami_xid", "aami_xid.civil"}


def test_reading_a_reason_loads_nothing_else() -> None:
    code = "from aami_slurm import reason; assert reason.parse('aami:a:xid79:gpu5 lost #icbdywii')"
    assert loaded_by(code) == {"aami_slurm", "aami_slurm.reason", "aami_slurm.text"}


SCRIPT = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from aami_slurm import nodes, policy, rails, reason, verdict
from aami_slurm.finding import OUTCOMES, Finding
told = {"schema": "aami.policy/1", "name": "p", "mode": "enforce", "rules": [
    {"check": "xid", "nodes": "gpu[001-064]", "mode": "enforce", "limits": {"fresh_s": 60}, "why": "tried"},
    {"check": "thermal", "snooze_until": "2027-01-31"}, {"check": "site-fans", "mode": "enfroce"}]}
defaults = {"effect": "block-and-drain", "budget_s": 1, "limits": {}}
out = [policy.problems(told), policy.rails_of(told), policy.interval(told, "gpu1", "xid", 300)]
rules = {}
for check in ("xid", "thermal", "site-fans"):
    rules[check] = rule = policy.resolve(told, "gpu007", check, defaults, 1.6e9)
    out.append([getattr(rule, key) for key in sorted(rule.__slots__)])
findings = [Finding(outcome, "seen %d" % age, code="xid79", check=check, gpu_uuid=uuid, gpu=3 if uuid else None,
                    evidence={"mono_us": 10 ** 9 - age, "seq": seq})
            for outcome in OUTCOMES for check in rules for uuid in (None, "a", "b") for age in (1, 10 ** 8) for seq in (None, 4)]
for phase in ("prolog", "epilog", "health"):
    for gpus in (None, frozenset(), frozenset(["a"])):
        out.append(verdict.decide(phase, findings, rules, job_gpus=gpus, covered_seq=2, now_mono_us=10 ** 9).to_dict())
text = reason.make("a", "recovery-action", 3, 'it says "reset" \\u00fc', "gpu007", "boot", 7)
found = reason.parse(text + " : reboot issued")
out += [text, [found.who, found.code, found.gpu, found.words, found.id], reason.parse(text + "x")]
ours = [("n%d" % number, text, float(number % 7)) for number in range(30)]
out += [rails.examine(rails.STANDARD, 1000, ours, 10.0).rail, [rails.surplus(rails.STANDARD, 1000, ours, one[0]) for one in ours]]
out += [nodes.matches("gpu[001-064,070],a[1-2]b[3-4]", name) for name in ("gpu007", "gpu7", "a1b3", "a1b5")]
json.dump(out, sys.stdout, sort_keys=True)
"""


def answers(python: str) -> str:
    done = subprocess.run(
        [python, "-I", "-S", "-B", "-W", "error", "-c", SCRIPT, json.dumps(PATHS)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_a_real_python_3_6_gives_the_same_answers() -> None:
    python = next(old_pythons(), None)
    if python is None:
        pytest.skip(
            "NO PYTHON 3.6 ON THIS MACHINE: what runs on compute nodes was not tried on the oldest one"
        )
    assert answers(python) == answers(sys.executable)
