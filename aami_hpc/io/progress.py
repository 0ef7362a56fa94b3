"""Progress of long work, told to whoever listens. The command line draws it; everyone else ignores it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """One piece of work of known size."""

    def start(self, label: str, total: int) -> None:
        """Begin: what is done, and how many steps it has."""
        ...

    def step(self, note: str = "") -> None:
        """One step is done; `note` says which."""
        ...

    def finish(self) -> None:
        """No more steps come, also after a failure."""
        ...


class NoProgress:
    """Nobody listens."""

    def start(self, label: str, total: int) -> None: ...

    def step(self, note: str = "") -> None: ...

    def finish(self) -> None: ...
