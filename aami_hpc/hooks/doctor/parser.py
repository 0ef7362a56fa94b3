"""The parser of this very Slurm, asked about a file that nothing else reads.

Every command of Slurm reads slurm.conf before anything else and refuses to go on when it can't. `scontrol show
hostnames` then asks nobody: neither a daemon nor the network (seen with strace in 22.05, 24.11 and 26.05).
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aami_hpc.io.run import Runner
    from aami_hpc.slurm.programs import Programs

_QUESTION = ("show", "hostnames", "aami")
_PATIENCE = 10.0
_PREFIX = re.compile(r"^scontrol: (?:(?:error|fatal): )?")
# No parser takes this. One that seems to does not read the file it was given.
CONTROL = "Prolog=/aami --no-arguments"
_BARE = "ClusterName=aami\nSlurmctldHost=localhost\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether Slurm takes a file, and what it complains of. `lost` says why it could not be asked."""

    taken: bool
    said: tuple[str, ...] = ()
    lost: str = ""


class Parser:
    """Asks `scontrol` about text. Files live in a folder of their own, and only as long as the question."""

    def __init__(self, programs: Programs, runner: Runner, folder: str = "") -> None:
        self._scontrol = programs.paths["scontrol"]
        self._environ = programs.environ
        self._runner = runner
        self._folder = folder or None
        self._known: dict[str, bool] = {}

    def at(self, path: str) -> Verdict:
        """What it says about a file in its place."""
        return self._ask(Path(path))

    def read(self, text: str, beside: str = "") -> Verdict:
        """What it says about this slurm.conf. `beside`: the folder whose other files may belong to it."""
        with tempfile.TemporaryDirectory(prefix="aami-hpc-", dir=self._folder) as folder:
            conf = Path(folder) / "slurm.conf"
            conf.write_text(text, encoding="utf-8", errors="surrogateescape")
            _link(beside, folder)
            verdict = self._ask(conf)
        said = tuple(line.replace(str(conf), "slurm.conf") for line in verdict.said)
        return replace(verdict, said=said)

    def knows(self, key: str) -> bool:
        """Whether this release has a key. Not to be told from a parser that can't be asked, and as safe: no."""
        if key not in self._known:
            self._known[key] = self.honest() and self.read(f"{_BARE}{key}=30\n").taken
        return self._known[key]

    def honest(self) -> bool:
        """Whether it reads what it is given, takes what is right and refuses what is wrong."""
        if CONTROL not in self._known:
            self._known[CONTROL] = self.read(_BARE).taken and not self.read(f"{_BARE}{CONTROL}\n").taken
        return self._known[CONTROL]

    def _ask(self, conf: Path) -> Verdict:
        done = self._runner.run(
            [self._scontrol, *_QUESTION], timeout=_PATIENCE, env={**self._environ, "SLURM_CONF": str(conf)}
        )
        if done.missing or done.timed_out:
            return Verdict(taken=False, lost=done.why)
        said = [_PREFIX.sub("", line) for line in done.stderr.splitlines()]
        return Verdict(taken=done.ok, said=tuple(line for line in said if line.strip()))


def _link(beside: str, folder: str) -> None:
    """Let the copy find its neighbours (cgroup.conf, plugstack.conf …) without copying what may be secret."""
    try:
        there = list(Path(beside).iterdir()) if beside else []
    except OSError:
        return  # then it reads without them, or says what it misses
    for path in there:
        if path.name != "slurm.conf":
            Path(folder, path.name).symlink_to(path)
