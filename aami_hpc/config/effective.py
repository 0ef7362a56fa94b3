"""Settings as plain data in the notation of the file: durations as `3s`, secrets as `***`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aami_hpc.config.table import SECTIONS

if TYPE_CHECKING:
    from aami_hpc.config.settings import Settings


def effective(settings: Settings, *, every: bool = False) -> dict[str, Any]:
    """All sections with their defaults. Entries of `nodes` hold what they say, with `every` their defaults too."""
    return {
        row.name: _brief(
            getattr(settings, row.name).model_dump(
                mode="json", exclude_unset=not every and row.name == "nodes"
            )
        )
        for row in SECTIONS
    }


def _brief(value: Any, *, listed: bool = False) -> Any:
    """Entries of a list without the keys that say nothing: a rule is as short as its writer wrote it."""
    if isinstance(value, list):
        return [_brief(part, listed=True) for part in value]
    if isinstance(value, dict):
        return {
            key: _brief(part, listed=listed) for key, part in value.items() if part is not None or not listed
        }
    return value
