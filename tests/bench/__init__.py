"""Speed as ratios: ours and its yardstick run in turns on the same machine, and medians are compared.

A ratio survives a slow or noisy machine; a time does not. No benchmark is a test.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure: `ratio` of ours to the yardstick, the promised `limit`, and which side of it is good."""

    name: str
    ratio: float
    limit: float
    ours: str
    yardstick: str
    runs: int
    at_least: bool = False  # True: the ratio says how many times faster we are, and must reach the limit

    @property
    def kept(self) -> bool:
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


def seconds(argv: Sequence[str], env: Mapping[str, str] | None = None, status: int = 0) -> float:
    """Wall time of one run that has to end with this status."""
    begin = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, env=env, check=False)
    took = time.perf_counter() - begin
    if done.returncode != status:
        raise RuntimeError(f"{argv} ended with {done.returncode}: {done.stderr[-500:]!r}")
    return took


def in_turns(ours: Callable[[], float], yardstick: Callable[[], float], runs: int) -> tuple[float, float]:
    """Medians of both, run alternately so that both see the same weather; one warm-up each."""
    ours()
    yardstick()
    pairs = [(ours(), yardstick()) for _ in range(runs)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)
