"""An installation that is killed at every step, or whose disk fills up at every step: old or new, never neither."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import aami_slurm
from aami_hpc.hooks.look import Look, drift, read
from tests.hooks.support import Machine, done, generation, sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aami_hpc.hooks.tree import Generation

pytestmark = pytest.mark.slow

# Runs an order and fails at the Nth call that writes: `kill`, `once` (that one call says the disk is full), `full`
# (all that need space from then on). Says on standard error which calls there were.
FAULTY = """
import builtins, os, sys
sys.path.insert(0, {parent!r})
from aami_slurm import receive
at, how, words = int(sys.argv[1]), sys.argv[2], sys.argv[3]
calls = []

def watched(module, name):
    real = getattr(module, name)
    def call(*given, **named):
        if name != "open" or "w" in str(given[1:2]):
            calls.append("%s %s" % (name, given[0]))
            if how == "kill" and len(calls) == at:
                os.kill(os.getpid(), 9)
            if (how == "once" and len(calls) == at) or (how == "full" and at <= len(calls) and name != "rename"):
                raise OSError(28, "No space left on device")
        return real(*given, **named)
    setattr(module, name, call)

for name in ("rename", "symlink", "link", "mkdir", "fsync", "fchmod"):
    watched(os, name)
if how == "kill":
    for name in ("unlink", "rmdir"):
        watched(os, name)
watched(builtins, "open")
receive.main(words)
print("\\n".join(calls), file=sys.stderr)
"""
_MEMORY = "/dev/shm"
_NEVER = 1 << 30
_EACH = 12  # before the tree is stored one file is like the other: every so many steps will do


class Scene:
    """A node with an old generation in force, and copies of it to try things on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = Machine(folder / "template")
        self.old = generation(sources(folder, "old"), 0, health="timer")
        self.new = generation(sources(folder, "new"), 1, health="timer")
        done([self.template.install(self.old)])

    def again(self) -> Machine:
        root = self.folder / "root"
        if root.exists():
            shutil.rmtree(root)
        shutil.copytree(self.template.root, root, symlinks=True)
        return Machine(root)

    def words(self, machine: Machine, verb: str) -> dict[str, Any]:
        if verb == "install":
            return machine.words_of(self.new)
        return {"to": self.old.name} if verb == "switch" else {}

    def run(self, machine: Machine, verb: str, at: int, how: str) -> subprocess.CompletedProcess[str]:
        told = {"root": str(machine.root), "node": machine.name, "verb": verb, **self.words(machine, verb)}
        code = FAULTY.format(parent=str(Path(aami_slurm.__file__).parents[1]))
        return subprocess.run(
            [machine.python, "-I", "-S", "-B", "-c", code, str(at), how, json.dumps(told)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def steps(self, verb: str, how: str) -> list[int]:
        """Every step at which it can fail, but for many alike ones at the beginning of an installation."""
        ended = self.run(self.again(), verb, _NEVER, how)
        assert isinstance(read(ended.stdout), Look), ended
        calls = ended.stderr.splitlines()
        stored = next((at for at, call in enumerate(calls, 1) if call.startswith("rename ")), 1)
        return [at for at in range(1, len(calls) + 1) if at >= stored - 1 or at % _EACH == 0]

    def in_force(self, machine: Machine) -> Generation:
        """The generation that answers. It is whole and compiled; node.json leads to it."""
        found = machine.look()
        made = {self.old.name: self.old, self.new.name: self.new}[str(found.generation)]
        assert found.damage == ()
        assert found.compiled
        assert found.node_json
        assert found.node_name == "gpu-001\n"
        assert set(found.launchers.values()) <= {"same", "differs"}
        assert machine.says() == ("old" if made is self.old else "new")
        return made


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """In memory where that can be: hundreds of installations write everything to disk before they switch."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else tmp_path) as folder:
        yield Scene(Path(folder))


def test_kill_9_at_every_step(scene: Scene) -> None:
    seen = set()
    for at in scene.steps("install", "kill"):
        machine = scene.again()
        killed = scene.run(machine, "install", at, "kill")
        assert killed.returncode == -signal.SIGKILL
        seen.add(scene.in_force(machine).name)
        if at % 2:
            continue
        again = machine.install(generation(sources(scene.folder, "new"), 2, health="timer"))
        assert isinstance(again, Look), (at, again)
        assert drift(again, "gpu-001") == ()
        assert [path for path in machine.leftovers() if ".upload-" not in path] == []
    assert seen == {scene.old.name, scene.new.name}


@pytest.mark.parametrize("how", ["once", "full"])
def test_a_disk_that_is_full_from_any_step_on(scene: Scene, how: str) -> None:
    ended = set()
    for at in scene.steps("install", how):
        machine = scene.again()
        ran = scene.run(machine, "install", at, how)
        found = read(ran.stdout)
        in_force = scene.in_force(machine)
        if isinstance(found, Look):
            assert found.generation == in_force.name == scene.new.name, ran
            continue
        ended.add(found.step)
        assert found.generation == in_force.name, ran
        assert "No space left on device" in found.detail
        if found.step != "tidy":  # by then it is in force, and only what is older is in the way
            assert in_force is scene.old, ran
            assert set(machine.look().launchers.values()) == {"same"}
    assert {"unpack", "store", "switch"} <= ended


def test_kill_9_at_every_step_of_going_back(scene: Scene) -> None:
    done([scene.template.install(scene.new)])
    seen = set()
    for at in scene.steps("switch", "kill"):
        machine = scene.again()
        scene.run(machine, "switch", at, "kill")
        seen.add(scene.in_force(machine).name)
        (found,) = done([machine.order("switch", to=scene.old.name)])
        assert found.generation == scene.old.name
    assert seen == {scene.old.name, scene.new.name}


def test_kill_9_at_every_step_of_removing(scene: Scene) -> None:
    """A launcher is whole or gone; what is left is removed by the next one."""
    for at in scene.steps("remove", "kill"):
        machine = scene.again()
        scene.run(machine, "remove", at, "kill")
        for name in ("prolog", "epilog", "health"):
            path = machine.root / "usr/libexec/aami-hpc" / name
            assert not path.exists() or path.read_text().endswith(f"{name}\n")
        done([machine.order("remove")])
        assert not machine.library.exists()
        assert machine.leftovers() == []
