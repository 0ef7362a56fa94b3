"""`config check` works from the shipped schema, everything else from the models: both must say the same."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aami_hpc.config import schema
from aami_hpc.config.context import Context
from aami_hpc.config.secret import FileReference
from aami_hpc.config.shape import Walk
from aami_hpc.config.table import SECTIONS
from aami_hpc.config.tree import Item, plain

ENVIRON = {"HOME": "/home/someone", "WHO": "admin"}
HERE = Path("/config.yaml")

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 200_000), st.floats(-1, 1e6, allow_nan=False),
    st.sampled_from([
        "", "root", "a b", "/a/b", "~/x", "~", "a/b", "3s", "500ms", "3 parsecs", "${WHO}", "${NOPE}", "${", "$${x}",
        "gpu-[1-4]", "gpu-[4-1]", "gpu-[1", "gpu-1", "{name}.x", "{other}", "a\nb", "22", "/a\0b", "169h", "x" * 300,
        "bus", "timer", "shadow", "enforce", "user", "2026-11-20", "2026-11-31", "xid",
    ]),
    st.text(max_size=6), st.just(FileReference("/etc/hostname", HERE.parent)),
    st.just(FileReference("/nonexistent", HERE.parent)),
)  # fmt: skip
KEYS = [
    "check", "nodes", "seconds", "share", "limits", "effect", "why", "path",
    "gpu-[1-4]", "gpu-1", "gpu-[4-1]", "ALL", "rack", "r12", "partition", "a b", "x.y", "gpus", "address", "model", "labels",
    "partitions", "ssh_user", "ssh_port", *(name for row in SECTIONS for name in row.model.model_fields), "usr",
]  # fmt: skip
ENTRIES = [  # keys of what stands in lists and below keys of a section
    "check", "nodes", "mode", "effect", "budget_s", "limits", "snooze_until", "why", "path", "windows", "out", "seconds",
    "share", "at_least",
]  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


def likely(model_name: str) -> st.SearchStrategy[Any]:
    """Data that has at least the keys of a section, so that values are reached."""
    row = next(row for row in SECTIONS if row.name == model_name)
    fields = [name for name in row.model.model_fields if name != "root"]
    if fields:
        entries = st.dictionaries(st.sampled_from(ENTRIES), values, max_size=4)
        return st.dictionaries(
            st.sampled_from(fields), values | st.lists(entries, max_size=2) | entries, max_size=4
        )
    attributes = st.dictionaries(
        st.sampled_from(["gpus", "address", "labels", "partitions", "ssh_port", "model"]), values
    )
    inner = attributes if model_name == "nodes" else st.dictionaries(st.sampled_from(["r12", "a b"]), scalars)
    return st.dictionaries(
        st.sampled_from(["gpu-[1-4]", "gpu-1", "rack", "partition", "a b"]), inner, max_size=3
    )


def item(value: Any) -> Item:
    if isinstance(value, dict):
        return Item({key: item(child) for key, child in value.items()}, HERE, 1)
    if isinstance(value, list):
        return Item(tuple(map(item, value)), HERE, 1)
    return Item(value, HERE, 1)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([row.name for row in SECTIONS]).flatmap(
        lambda name: st.tuples(st.just(name), likely(name) | values)
    )
)
def test_the_schema_and_the_models_agree(given_: tuple[str, Any]) -> None:
    name, value = given_
    walk = Walk(schema.schema(), ENVIRON)
    tree = walk.filled(item({name: value}))
    problems = walk.problems(tree)
    row = next(row for row in SECTIONS if row.name == name)
    accepted = False
    with contextlib.suppress(ValidationError):
        row.model.model_validate(plain(tree)[name], context=Context(ENVIRON, {}))
        accepted = True
    assert accepted is (not problems), problems


def test_the_shipped_schema_is_what_the_models_give() -> None:
    """When this fails: python -m aami_hpc.config.schema > etc/config.schema.json."""
    assert schema.schema() == json.loads(json.dumps(schema.generated()))


def test_the_schema_is_complete_and_uses_only_known_words() -> None:
    root = schema.schema()
    assert root["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    words = {
        "type", "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "anyOf", "items", "properties", "default",
        "additionalProperties", "propertyNames", "description", "$ref", "enum", "required",
    }  # fmt: skip
    for definition in root["$defs"].values():
        assert definition["description"]
        for name, described in definition.get("properties", {}).items():
            assert described["description"].endswith("."), name
        assert set(_words(definition)) <= words


def _words(part: dict[str, Any]) -> list[str]:
    found = list(part)
    for word in ("items", "additionalProperties", "propertyNames"):
        if isinstance(part.get(word), dict):
            found += _words(part[word])
    for inner in [*part.get("anyOf", []), *part.get("properties", {}).values()]:
        found += _words(inner)
    return found


@pytest.mark.parametrize(
    "key", ["ssh.user", "nodes.gpu-1.labels.rack", "groups.rack.r12", "storage.state_dir"]
)
def test_the_walk_knows_keys(key: str) -> None:
    walk = Walk(schema.schema(), {})
    shape = walk.shape(schema.schema())
    for part in key.split("."):
        child = walk.child(shape, part)
        assert child is not None
        shape = child
    assert walk.child(shape, "more") is None
