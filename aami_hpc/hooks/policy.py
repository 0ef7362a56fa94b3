"""The `policy` section as the document that nodes read, refused here for what a node could not make sense of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aami_hpc.errors import ConfigInvalid
from aami_slurm import checks, policy

if TYPE_CHECKING:
    from pydantic import BaseModel

    from aami_hpc.config import Settings


def document(settings: Settings) -> dict[str, Any]:
    """`aami.policy/1`, or ConfigInvalid with the first thing that is wrong and how many more there are."""
    made = {"schema": policy.SCHEMA, **_plain(settings.policy)}
    wrong = policy.problems(made, {name: checks.load(name).DEFAULTS for name in checks.TABLE})
    if wrong:
        more = f". And {len(wrong) - 1} more" if len(wrong) > 1 else ""
        origin = settings.origin("policy.rules" if wrong[0].startswith("rule ") else "policy")
        raise ConfigInvalid(
            f"{origin} policy: {wrong[0]}",
            cause="A node would keep the checks concerned in shadow",
            hint=f"See docs/configuration.md for what a rule may say{more}",
        )
    return made


def _plain(value: Any) -> Any:
    """Models as mappings of what is set; whole seconds as whole numbers."""
    if hasattr(value, "model_fields_set"):
        model: BaseModel = value
        return {name: _plain(part) for name, part in model if part is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
