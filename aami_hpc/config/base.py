"""What the sections are made of: the frozen base class, and a type for every kind of value.

The kinds themselves are in values.py; here they become types that pydantic checks and describes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import core_schema

from aami_hpc.config import secret, values
from aami_hpc.config.context import Context
from aami_hpc.config.fault import Fault

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue


class Section(BaseModel):
    """A section, or a part of one: frozen, no unknown keys, and errors that show no values.

    What pydantic needs to check a section is built when the section is first used: most files hold few of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


class Kind:
    """Marks a type as one of `values.KINDS`, with what the JSON schema says about it."""

    def __init__(self, name: str, takes: tuple[type, ...] = (str,), **schema: Any) -> None:
        self._name = name
        self._takes = takes
        self._schema = {"type": "string", "format": name, **schema}

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                values.WRITTEN.get(self._name, str), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self._schema)

    def _validate(self, value: Any, info: core_schema.ValidationInfo) -> Any:
        if isinstance(value, (Path, secret.Secret)):  # made in code, not read from a file
            return value
        if not isinstance(value, self._takes) or (isinstance(value, bool) and bool not in self._takes):
            raise Fault("has the wrong type")
        return values.KINDS[self._name](value, Context.of(info.context).environ)


Text: TypeAlias = Annotated[str, Kind("text")]
FilePath: TypeAlias = Annotated[Path, Kind("path", pattern=r"^([/~]|\$\{)")]
Duration: TypeAlias = Annotated[
    float,
    Kind(
        "time-span",
        takes=(str, int, float),
        type=["string", "number"],
        pattern=values.DURATION,
        exclusiveMinimum=0,
        maximum=values.WEEK,
    ),
]
Secret: TypeAlias = Annotated[secret.Secret, Kind("secret", takes=(str, secret.FileReference))]
Address: TypeAlias = Annotated[str, Kind("address")]
Range: TypeAlias = Annotated[str, Kind("node-range")]
Name: TypeAlias = Annotated[str, Kind("name")]
Date: TypeAlias = Annotated[str, Kind("date")]
Limit: TypeAlias = Annotated[
    Any,
    Kind(
        "limit",
        takes=(str, int, float, bool, list, tuple, dict),
        type=["number", "string", "boolean", "array", "object"],
        items={"type": ["number", "string", "boolean"], "format": "limit"},
        additionalProperties={"type": ["number", "string", "boolean"], "format": "limit"},
    ),
]
GroupSource: TypeAlias = Annotated[str, Kind("group-source")]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=100_000)]
Port: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=65535)]
