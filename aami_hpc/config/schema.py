"""The JSON schema of the configuration: made from the models, shipped as etc/config.schema.json.

`python -m aami_hpc.config.schema` prints it anew; a test fails when the shipped file is not what that prints.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from aami_hpc.resources import share

if TYPE_CHECKING:
    from pathlib import Path

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def shipped() -> Path:
    return share() / "etc" / "config.schema.json"


@cache
def schema() -> dict[str, Any]:
    """The shipped schema, read once a run: nobody changes it."""
    found = json.loads(shipped().read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise TypeError(found)
    return found


def generated() -> dict[str, Any]:
    """The schema as the models give it now."""
    from aami_hpc.config.table import SECTIONS

    defs: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for row in SECTIONS:
        made = row.model.model_json_schema()
        defs.update(made.pop("$defs", {}))
        defs[row.name] = made
        properties[row.name] = {"$ref": f"#/$defs/{row.name}"}
    return {
        "$schema": _DIALECT,
        "title": "Configuration of aami-hpc",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": {name: _clean(made) for name, made in defs.items()},
    }


def _clean(schema: Any) -> Any:
    """Without titles, which only repeat the keys; and a mapping may be left empty, its keys commented out."""
    if isinstance(schema, list):
        return [_clean(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _clean(part) for key, part in schema.items() if key != "title" or not isinstance(part, str)}
    if made.get("type") == "object":
        made["type"] = ["object", "null"]
    return made


if __name__ == "__main__":
    print(json.dumps(generated(), indent=2))
