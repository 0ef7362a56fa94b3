"""A sighting: one thing that was looked for, what was seen, and where it was seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Value: TypeAlias = str | int | bool | tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """`value` None without `unknown` means: looked for and not set or not there."""

    key: str  # stable, in `--json`
    label: str  # for people
    value: Value
    source: str  # the file or command it came from
    unknown: str = ""  # why it can't be told; the value is None then
    note: str = ""  # what a person should know about the value

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: `value` and `source`, and `unknown` or `note` where there is one."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        found: dict[str, Any] = {"value": value, "source": self.source}
        if self.unknown:
            found["unknown"] = self.unknown
        if self.note:
            found["note"] = self.note
        return found


Sightings: TypeAlias = tuple[Sighting, ...]


def keyed(sightings: Iterable[Sighting]) -> dict[str, dict[str, Any]]:
    """Sightings as one JSON object."""
    return {sighting.key: sighting.as_dict() for sighting in sightings}


def value_of(sightings: Iterable[Sighting], key: str) -> Value:
    """The value under a key, or None when it is unknown or was not looked for."""
    return next((sighting.value for sighting in sightings if sighting.key == key), None)
