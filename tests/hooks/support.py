"""A small node's side to push around, and a machine to push it to: real sh, real Python, a root of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aami_hpc.config.sections.hooks import HooksSection
from aami_hpc.hooks import order, tree
from aami_hpc.hooks.look import Look, Stopped, read
from aami_hpc.hooks.tree import Generation, Sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIME = datetime(2026, 11, 20, 13, 30, tzinfo=timezone.utc)
RUN = """\
import os, sys
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from aami_slurm import says
if sys.argv[1] == "check-tree":
    says.check()
print(says.WORDS)
"""
SAYS = 'WORDS = "{words}"\n\n\ndef check():\n    {check}\n'
LAUNCHER = '#!/bin/sh\n# {name} {words}\nread -r python <"$AAMI_ROOT/usr/lib/aami-hpc/current/python"\n'
LAUNCHER += '"$python" -I -S -B "$AAMI_ROOT/usr/lib/aami-hpc/current/run.py" {name}\n'
UNIT = "# Written by aami-hpc: {name} {words}\n"


def interpreters() -> list[str]:
    """Pythons to be a node's: ours, and a real 3.6 where there is one."""
    old = sorted(map(str, Path.home().glob(".pyenv/versions/3.6.*/bin/python3")))
    return [sys.executable, *old[:1]]


def sources(folder: Path, words: str = "one", *, check: str = "pass") -> Sources:
    """A package that says some words, its launchers and units."""
    package, conf, units = (folder / words / name for name in ("aami_slurm", "conf", "units"))
    for made in (package, conf, units):
        made.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text('"""A small node side."""\n')
    (package / "says.py").write_text(SAYS.format(words=words, check=check))
    (package / "data.json").write_text("{}\n")
    (conf / "run.py").write_text(RUN)
    for name in tree.LAUNCHERS:
        (conf / name).write_text(LAUNCHER.format(name=name, words=words))
    for name in tree.UNITS:
        (units / name).write_text(UNIT.format(name=name, words=words))
    return Sources((package,), conf, units)


def generation(made: Sources, minute: int = 0, **hooks: Any) -> Generation:
    node_json = {"schema": "aami.node/1", "cluster": "alpha"}
    return tree.build(node_json, HooksSection(**hooks), TIME + timedelta(minutes=minute), made)


class Machine:
    """A node's disk below a folder, and orders to it as they come over SSH."""

    def __init__(self, root: Path, python: str = sys.executable, name: str = "gpu-001") -> None:
        self.root = root
        self.python = python
        self.name = name
        self.library = root / "usr/lib/aami-hpc"
        self.library.mkdir(parents=True, exist_ok=True)

    def command(self, verb: str, **words: Any) -> list[str]:
        told = {"verb": verb, "root": str(self.root), "node": self.name, **words}
        return ["/bin/sh", "-c", order.script(told, (self.python,))]

    def order(self, verb: str, environ: Mapping[str, str] | None = None, **words: Any) -> Look | Stopped:
        done = subprocess.run(
            self.command(verb, **words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", **(environ or {})},
        )
        assert done.stderr == ""
        return read(done.stdout)

    def look(self) -> Look:
        found = self.order("look")
        assert isinstance(found, Look), found
        return found

    def words_of(self, made: Generation, keep: int = 3, packed: bytes | None = None) -> dict[str, Any]:
        """Upload a generation; the words of the order to install it."""
        packed = made.packed() if packed is None else packed
        upload = self.library / f".upload-{made.name}.aami-1"
        upload.write_bytes(packed)
        return {
            "generation": made.name,
            "upload": str(upload),
            "digest": tree.digest(made.packed()),
            "keep": keep,
        }

    def install(self, made: Generation, keep: int = 3, packed: bytes | None = None) -> Look | Stopped:
        return self.order("install", **self.words_of(made, keep, packed))

    def says(self, launcher: str = "prolog") -> str:
        """What the launcher of the generation in force prints."""
        done = subprocess.run(
            [self.root / "usr/libexec/aami-hpc" / launcher],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"AAMI_ROOT": str(self.root)},
        )
        return done.stdout.strip() or done.stderr

    def leftovers(self) -> list[str]:
        """Names that only a change under way may have."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob(".*.aami-*"))

    def names(self) -> list[str]:
        return sorted(path.name for path in self.library.iterdir() if tree.NAME.fullmatch(path.name))


def manifest(machine: Machine, name: str) -> dict[str, Any]:
    found = json.loads((machine.library / name / "manifest.json").read_text())
    assert isinstance(found, dict)
    return found


def done(answers: Sequence[Look | Stopped]) -> list[Look]:
    """The answers, all of them good ones."""
    good = [answer for answer in answers if isinstance(answer, Look)]
    assert len(good) == len(answers), answers
    return good
