"""The configuration: found, read, merged, checked, and given out as one frozen `Settings`.

`load` and `Settings` bring pydantic along, and it alone costs more than all of `config check`: so they are
imported when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aami_hpc.config.loading import load
    from aami_hpc.config.settings import Settings

__all__ = ["Settings", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from aami_hpc.config.loading import load

        return load
    if name == "Settings":
        from aami_hpc.config.settings import Settings

        return Settings
    raise AttributeError(name)
