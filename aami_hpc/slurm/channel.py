"""Ask Slurm's commands within one deadline, and say in an error's words why there was no answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aami_hpc.errors import SlurmAnswer, SlurmError, SlurmNotFound, SlurmUnreachable
from aami_hpc.io.clock import SystemClock
from aami_hpc.io.run import DEFAULT_LIMIT
from aami_hpc.slurm import parse

if TYPE_CHECKING:
    from aami_hpc.io.clock import Clock
    from aami_hpc.io.run import Completed, Runner
    from aami_hpc.model.slurm import Controller
    from aami_hpc.slurm.programs import Programs

SHORT = 1024 * 1024  # bytes that `ping` and `--version` may print
_AT_ONCE = 0.001  # seconds for a question whose deadline has passed
_NO_CONFIGURATION = re.compile(r"configuration (source|file)|fetch config|ClusterName needs", re.IGNORECASE)
_SILENT = re.compile(
    r"Unable to contact|Zero Bytes|timed out|Connection refused|connection failure", re.IGNORECASE
)


class Channel:
    """Questions to one Slurm. A question that nobody answered is the last one that is asked."""

    def __init__(
        self, programs: Programs, runner: Runner, timeout: float, clock: Clock | None = None
    ) -> None:
        self._programs = programs
        self._runner = runner
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._lost: SlurmError | None = None
        self._up = False

    def deadline(self) -> float:
        """When the question that begins now has to be answered."""
        if self._lost is not None:
            raise self._lost
        return self._clock.monotonic() + self._timeout

    def reach(self) -> float:
        """The deadline of a question to the controller, after making sure that there is one to answer it.

        `ping` says at once that a controller is down, where every other question tries again for 9 seconds.
        """
        deadline = self.deadline()
        if not self._up:
            found = self.ping(deadline)
            if not any(one.up for one in found):
                hosts = ", ".join(one.host for one in found)
                raise self._unreachable(hosts, "`scontrol ping` finds no controller that is up")
            self._up = True
        return deadline

    def ping(self, deadline: float) -> tuple[Controller, ...]:
        """The controllers, up or down."""
        done = self.run(deadline, "scontrol", "ping", limit=SHORT)
        found = parse.controllers(done.stdout)
        if not found:
            raise self._failed(done)
        return found

    def answer(self, deadline: float, program: str, *arguments: str, limit: int = DEFAULT_LIMIT) -> str:
        """What the command prints when it ends well, or the error that says why it did not."""
        done = self.run(deadline, program, *arguments, limit=limit)
        if not done.ok:
            raise self._failed(done)
        return done.stdout

    def run(self, deadline: float, program: str, *arguments: str, limit: int = DEFAULT_LIMIT) -> Completed:
        """Run the command to its end, however it ends; a command that does not end is an error."""
        left = max(deadline - self._clock.monotonic(), _AT_ONCE)
        argv = [self._programs.paths[program], *arguments]
        done = self._runner.run(argv, timeout=left, env=self._programs.environ, limit=limit)
        if done.timed_out:
            raise self._unreachable("", f"No answer within {self._timeout:g} s (slurm.timeout)")
        return done

    def _failed(self, done: Completed) -> SlurmError:
        said = done.stderr + done.stdout
        if done.missing:
            return SlurmNotFound(
                f"{done.argv[0]} can't be run", cause=done.why, hint="Install Slurm's client package again"
            )
        if _SILENT.search(said):
            return self._unreachable("", done.why)
        if _NO_CONFIGURATION.search(said):
            self._lost = SlurmNotFound(
                "Slurm's commands are here, but no configuration of Slurm",
                cause=done.why,
                hint="Set slurm.conf to the path of slurm.conf, or set $SLURM_CONF",
            )
            return self._lost
        return SlurmAnswer(
            "Slurm refused to answer", cause=done.why, hint="Run the same command by hand to see all it says"
        )

    def _unreachable(self, hosts: str, cause: str) -> SlurmUnreachable:
        where = self._programs.controller() or hosts
        self._lost = SlurmUnreachable(
            f"Slurm's controller{f' {where}' if where else ''} does not answer",
            cause=cause,
            hint="See whether slurmctld runs there; `scontrol ping` costs nothing to ask, other questions wait long",
        )
        return self._lost
