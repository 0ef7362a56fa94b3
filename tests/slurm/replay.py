"""Answers of Slurm's commands, recorded once per release and given again to the same questions."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from aami_hpc.io.run import DEFAULT_LIMIT, Completed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aami_hpc.io.run import Runner

DATA = Path(__file__).parents[1] / "data" / "slurm"
SEPARATOR = "<5eed5eed5eed5eed>"  # in place of the one that is drawn for each question
RECORDED = sorted(path.name for path in DATA.iterdir() if path.is_dir())


class Recorder:
    """A runner that remembers what another one answered."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.answers: list[dict[str, Any]] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Completed:
        done = self._runner.run(argv, timeout=timeout, env=env, limit=limit)
        self.answers.append(
            {"asked": _asked(argv), "status": done.status, "stdout": done.stdout, "stderr": done.stderr}
        )
        return done


class Replay:
    """A runner that knows the answers of one release, and fails on any other question."""

    def __init__(self, release: str) -> None:
        found = json.loads((DATA / release / "answers.json").read_text(encoding="utf-8"))
        self._answers = {" ".join(one["asked"]): one for one in found}
        self.calls: list[str] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Completed:
        question = " ".join(_asked(argv))
        self.calls.append(question)
        one = self._answers[question]
        return Completed(tuple(argv), one["status"], one["stdout"], one["stderr"])


def _asked(argv: Sequence[str]) -> list[str]:
    return [PurePath(argv[0]).name, *argv[1:]]
