"""A runner with recorded answers. A command without an answer is 'not found', as on a bare machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aami_hpc.io.run import DEFAULT_LIMIT, Completed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class FakeRunner:
    """Answers by exact argument list; keeps every call for the test to look at."""

    def __init__(self, answers: Mapping[tuple[str, ...], str | Completed] | None = None) -> None:
        self._answers = dict(answers or {})
        self.calls: list[tuple[str, ...]] = []

    def answer(self, *argv: str, stdout: str = "", stderr: str = "", status: int = 0) -> None:
        """Record what one exact command prints and how it ends."""
        self._answers[argv] = Completed(argv, status, stdout, stderr)

    def hang(self, *argv: str) -> None:
        """Let one exact command run into its deadline."""
        self._answers[argv] = Completed(argv, None, timed_out=True)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,  # noqa: ARG002 - part of the protocol
        env: Mapping[str, str] | None = None,  # noqa: ARG002
        limit: int = DEFAULT_LIMIT,  # noqa: ARG002
    ) -> Completed:
        call = tuple(argv)
        self.calls.append(call)
        found = self._answers.get(call)
        if found is None:
            return Completed(call, None, missing=True)
        return found if isinstance(found, Completed) else Completed(call, 0, found)
