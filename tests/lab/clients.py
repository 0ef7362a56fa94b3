"""Slurm's client commands, pointed at one cluster: ask, submit, and wait for what was asked for."""

from __future__ import annotations

import os
import re
import subprocess
from itertools import count
from typing import TYPE_CHECKING

from tests.lab.ledger import LabError
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LIMIT = 60.0
_ENDED = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
)

_FLAGS = "*~#!%$@^-+"  # what sinfo puts behind a state; `*`: slurmd does not answer (yet)


class Clients:
    """Runs commands of one release against one slurm.conf."""

    def __init__(self, bin_dir: Path, conf: Path, jobs: Path, mark: dict[str, str]) -> None:
        self.bin_dir = bin_dir
        self.conf = conf
        self.env = {**os.environ, **mark, "SLURM_CONF": str(conf), "PATH": f"{bin_dir}:{os.environ['PATH']}"}
        self._jobs = jobs
        self._scripts = count(1)

    def call(
        self, program: str, *arguments: str | Path, timeout: float = _LIMIT
    ) -> subprocess.CompletedProcess[str]:
        """Run one command, whatever its exit status."""
        argv = [str(self.bin_dir / program), *map(str, arguments)]
        try:
            return subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env=self.env,
                cwd=self._jobs,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{' '.join(argv)} did not end within {timeout:g} s") from error

    def ask(self, program: str, *arguments: str | Path, timeout: float = _LIMIT) -> str:
        """Run one command that has to succeed; its output."""
        done = self.call(program, *arguments, timeout=timeout)
        if done.returncode != 0:
            raise LabError(
                f"{' '.join(done.args)} ended with {done.returncode}: {done.stderr or done.stdout}"
            )
        return done.stdout

    def scontrol(self, *arguments: str) -> str:
        return self.ask("scontrol", *arguments)

    def srun(self, *arguments: str | Path, timeout: float = _LIMIT) -> str:
        return self.ask("srun", *arguments, timeout=timeout)

    def sbatch(self, script: str, *options: str) -> int:
        """Submit a script, given as text; the job's id. Its output is in `output(id)`."""
        path = self._jobs / f"{next(self._scripts)}.sh"
        path.write_text(script if script.startswith("#!") else f"#!/bin/sh\n{script}\n")
        where = (f"--chdir={self._jobs}", f"--output={self._jobs}/%j.out")
        return int(self.ask("sbatch", "--parsable", *where, *options, path).split(";")[0])

    def output(self, job: int) -> str:
        return (self._jobs / f"{job}.out").read_text(errors="replace")

    def job_state(self, job: int) -> str:
        match = re.search(r"JobState=(\w+)", self.scontrol("show", "job", "-o", str(job)))
        if match is None:
            raise LabError(f"job {job} has no state")
        return match[1]

    def wait_job(self, job: int, *states: str, timeout: float = _LIMIT) -> str:
        """Wait until the job is in one of the states (default: COMPLETED); fails at once if it ended otherwise."""
        wanted = states or ("COMPLETED",)

        def reached() -> str:
            state = self.job_state(job)
            if state in _ENDED and state not in wanted:
                raise LabError(
                    f"job {job} is {state}, not {wanted}: {self.scontrol('show', 'job', '-o', str(job))}"
                )
            return state if state in wanted else ""

        what = f"job {job} to be {' or '.join(wanted)}"
        return until(reached, what, timeout=timeout, evidence=lambda: self.ask("squeue", "-l"))

    def node_states(self) -> dict[str, str]:
        """Slurm's word for each node, in capitals and without flags: `IDLE`, `DRAINED`, `DOWN`."""
        return {name: state.rstrip(_FLAGS).upper() for name, state in self.shown_states().items()}

    def wait_nodes(self, *states: str, nodes: Iterable[str] = (), timeout: float = _LIMIT) -> None:
        """Wait until all nodes (or these) are in one of the states (default: IDLE, and answering)."""
        wanted = states or ("IDLE",)
        names = set(nodes)

        def reached() -> bool:
            found = {name: state for name, state in self.shown_states().items() if not names or name in names}
            return bool(found) and all(
                state.rstrip(_FLAGS).upper() in wanted and state != "idle*" for state in found.values()
            )

        what = f"nodes to be {' or '.join(wanted)}"
        until(reached, what, timeout=timeout, evidence=lambda: self.ask("sinfo", "--Node", "-l"))

    def shown_states(self) -> dict[str, str]:
        """What sinfo shows for each node, flags and all: `idle*` is a node that does not answer (yet)."""
        lines = self.ask("sinfo", "--Node", "--noheader", "--format=%N %T").splitlines()
        return dict(line.split() for line in lines)

    def is_answering(self) -> bool:
        return self.call("scontrol", "ping").returncode == 0
