"""Progress on standard error: a bar on a terminal, one line per tenth of the work anywhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aami_hpc.io.progress import NoProgress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from aami_hpc.io.progress import Progress

_LINES = 10  # how many lines a long piece of work may print where there is no terminal


def choose(*, quiet: bool, color: bool) -> Progress:
    if quiet:
        return NoProgress()
    return _Bar(color=color) if sys.stderr.isatty() else _Lines()


class _Lines:
    def __init__(self) -> None:
        self._label, self._total, self._done, self._told = "", 0, 0, 0

    def start(self, label: str, total: int) -> None:
        self._label, self._total, self._done, self._told = label, total, 0, 0

    def step(self, note: str = "") -> None:  # noqa: ARG002 - a line per node would drown the result
        self._done += 1
        tenth = self._done * _LINES // max(self._total, 1)
        if tenth > self._told:
            self._told = tenth
            print(f"{self._label}: {self._done}/{self._total}", file=sys.stderr)

    def finish(self) -> None:
        sys.stderr.flush()


class _Bar:
    def __init__(self, *, color: bool) -> None:
        self._color = color
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def start(self, label: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True, no_color=not self._color, markup=False, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(label, total=total, note="")
        self._bar.start()

    def step(self, note: str = "") -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, note=note)

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.stop()
