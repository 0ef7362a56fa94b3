"""An experiment: what is tried, what we rely on, and how what was seen is held against that."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.soak.behaviour.bench import Bench

    Run = Callable[[Bench], Mapping[str, Any]]

Seen = dict[str, Any]  # plain data: it goes through JSON
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Known:
    """Where a release does something else than we rely on elsewhere, and why that is no harm to us."""

    seen: Mapping[str, Any]
    why: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """One function that tries something on a cluster and returns what it saw."""

    name: str
    title: str
    used_for: str
    relied: Mapping[str, Any]
    run: Run
    known: Mapping[str, Known] = field(default_factory=lambda: _NOTHING)
    slow: bool = False  # runs in the background from the start, on clusters of its own only
    once: bool = False  # has nothing to do with the release: one run is enough

    def expected(self, release: str) -> Seen:
        """What this release is known to do."""
        known = self.known.get(release)
        return {**self.relied, **(known.seen if known else {})}

    def unexpected(self, release: str, seen: Mapping[str, Any]) -> Seen:
        """What was seen otherwise than known."""
        return _difference(self.expected(release), seen)

    def otherwise(self, seen: Mapping[str, Any]) -> Seen:
        """What was seen otherwise than we rely on, known or not."""
        return _difference(self.relied, seen)


def _difference(wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> Seen:
    keys = dict.fromkeys((*wanted, *seen))
    return {key: seen.get(key) for key in keys if seen.get(key) != wanted.get(key)}


EXPERIMENTS: dict[str, Experiment] = {}


def experiment(
    name: str,
    title: str,
    *,
    used_for: str,
    relied: Mapping[str, Any],
    known: Mapping[str, Known] = _NOTHING,
    slow: bool = False,
    once: bool = False,
) -> Callable[[Run], Run]:
    """Enter a function into the list of experiments."""

    def enter(run: Run) -> Run:
        if name in EXPERIMENTS:
            raise ValueError(f"{name} is there twice")
        EXPERIMENTS[name] = Experiment(name, title, used_for, relied, run, known, slow, once)
        return run

    return enter
