"""What the models may know of the world while they are made: the environment, and where entries were written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Context(NamedTuple):
    """Passed through pydantic. A model made by hand in code gets this process's environment and no origins."""

    environ: Mapping[str, str]
    node_origins: Mapping[str, str]

    def __repr__(self) -> str:
        return "Context()"  # an environment holds secrets

    @classmethod
    def of(cls, given: object) -> Context:
        return given if isinstance(given, Context) else cls(os.environ, {})
