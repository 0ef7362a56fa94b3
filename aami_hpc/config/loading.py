"""`load()`: the configuration as Settings, or one error that names the first fault and counts the others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from aami_hpc.config import keys
from aami_hpc.config.context import Context
from aami_hpc.config.examine import examine
from aami_hpc.config.settings import Settings
from aami_hpc.config.table import SECTIONS
from aami_hpc.config.tree import find, plain
from aami_hpc.errors import ConfigError, ConfigInvalid, ConfigSyntax, SecretUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import BaseModel

    from aami_hpc.config.examine import Examined
    from aami_hpc.config.problem import Problem
    from aami_hpc.config.table import Row
    from aami_hpc.config.tree import Item

_ERRORS: dict[str, type[ConfigError]] = {
    kind.reference: kind for kind in (ConfigInvalid, ConfigSyntax, SecretUnavailable)
}


def load(explicit: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The configuration in force; built-in defaults when there is none.

    `explicit` is the file named by --config. Without it: $AAMI_CONFIG, ~/.config/aami-hpc/config.yaml (not
    for root), /etc/aami-hpc/config.yaml. Drop-ins in config.d beside the file are laid over it.
    """
    environ = os.environ if environ is None else environ
    return settings_of(examine(explicit, environ=environ), environ)


def settings_of(examined: Examined, environ: Mapping[str, str]) -> Settings:
    """Settings from what was examined, or the error for its problems."""
    if examined.problems:
        raise refusal(examined.problems)
    tree = examined.tree
    context = Context(environ, _node_origins(tree))
    sections: dict[str, Any] = {
        row.name: _made(row, item, context)
        for row in SECTIONS
        if (item := find(tree, (row.name,))) is not None
    }
    return Settings(**sections, files=examined.files, tree=tree)


def refusal(problems: Sequence[Problem]) -> ConfigError:
    """One error for all problems: the first, and how many more there are."""
    first, more = problems[0], len(problems) - 1
    hint = first.hint
    if more:
        end = "" if hint.endswith((".", "?")) or not hint else "."
        hint = f"{hint}{end} And {more} more: aami-hpc config check lists them".strip()
    return _ERRORS[first.reference](f"{first.where} {first.what}", hint=hint)


def _made(row: Row, item: Item, context: Context) -> BaseModel:
    try:
        return row.model.model_validate(plain(item), context=context)
    except ValidationError as error:  # the schema let something through; the model's word counts
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = keys.join([row.name, *map(str, first["loc"])])
    raise ConfigInvalid(f"{item.where} {place}: {first['msg']}", hint="See docs/configuration.md")


def _node_origins(tree: Item) -> dict[str, str]:
    nodes = find(tree, ("nodes",))
    if nodes is None or not isinstance(nodes.value, dict):
        return {}
    return {text: item.where for text, item in nodes.value.items()}
