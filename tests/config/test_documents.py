"""docs/configuration.md tells every key as the models have it, and its examples load; so does etc/config.yaml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.config import load, places, schema
from aami_hpc.config.effective import effective
from aami_hpc.config.emit import flow
from aami_hpc.config.examine import examine
from aami_hpc.config.settings import Settings
from aami_hpc.config.shape import Walk
from aami_hpc.config.table import SECTIONS
from aami_hpc.config.tree import find, plain
from aami_hpc.config.values import written
from tests.config.support import ROOT, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PAGE = ROOT / "docs/configuration.md"
EXAMPLE = ROOT / "etc/config.yaml"
TYPES = {
    "text": "text", "path": "path", "time-span": "duration", "secret": "secret", "address": "address",
    "node-range": "node range", "name": "name", "date": "date", "limit": "threshold",
}  # fmt: skip
ENVIRON = {"HOME": "/home/someone", "SITE": "example", "AAMI_KEY_PASSPHRASE": "x"}


def type_of(described: Mapping[str, Any]) -> str:
    shape = WALK.shape(described).schema
    if "enum" in shape:
        return " or ".join(f"`{word}`" for word in shape["enum"])
    if "format" in shape:
        return TYPES[shape["format"]]
    if shape["type"] == "array":
        return list_of(WALK.shape(shape["items"]).schema)
    if "properties" in shape:
        return "keys below"
    if shape.get("additionalProperties"):
        return f"{type_of(shape['propertyNames'] | {'type': 'string'})}: {type_of(shape['additionalProperties'])}"
    return "true or false" if shape["type"] == "boolean" else f"number {shape['minimum']}–{shape['maximum']}"


def list_of(part: Mapping[str, Any]) -> str:
    plain = "properties" in part or "enum" in part
    return f"list of {type_of(part)}{'' if plain else 's'}"


def default_of(described: dict[str, Any]) -> str:
    value = described.get("default")
    if value is None:
        return "not set"
    if described.get("format") == "time-span":
        value = written(value)
    return f"`{flow(value)}`" if value not in ("", [], {}) else "empty"


def rows() -> Iterator[tuple[str, str]]:
    """The row of every key, as the models give it."""
    for name, definition in schema.schema()["$defs"].items():
        for key, described in definition.get("properties", {}).items():
            default = "required" if key in definition.get("required", ()) else default_of(described)
            yield (
                f"{name}.{key}",
                f"| `{key}` | {type_of(described)} | {default} | {described['description']} |",
            )


WALK = Walk(schema.schema(), {})


@pytest.mark.parametrize(("key", "row"), list(rows()), ids=lambda value: value if "|" not in value else "")
def test_the_page_tells_a_key_as_the_models_have_it(key: str, row: str) -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert row in lines, f"{key} should read\n{row}"


def test_the_page_has_a_chapter_for_every_section() -> None:
    chapters = re.findall(r"^### `(\w+)`: (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert chapters == [(row.name, row.summary[0].lower() + row.summary[1:]) for row in SECTIONS]


EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_page_loads(text: str, tmp_path: Path) -> None:
    write(tmp_path / "secrets/ssh-passphrase", "x")
    assert load(write(tmp_path / "config.yaml", text), environ=ENVIRON).files


def test_the_page_names_the_places() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for place in (str(places.SYSTEM), f"~/{places.USER}", f"${places.VARIABLE}", "config.d/*.yaml"):
        assert place in page


def test_the_example_loads() -> None:
    settings = load(EXAMPLE, environ=ENVIRON)
    first, second = settings.nodes.entries
    assert (first.gpus, second.gpus, settings.groups.sources["rack"]["r12"]) == (8, 4, "gpu-[009-016]")
    assert not examine(EXAMPLE, environ=ENVIRON).warnings


def test_the_example_has_every_key_and_all_of_them_load(tmp_path: Path) -> None:
    """A key after `#` without a space is an example that a site may switch on."""
    text = re.sub(r"^(\s*)#(?=[^\s#])", r"\1", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    write(tmp_path / "ssh-passphrase", "x").chmod(0o600)
    path = write(tmp_path / "config.yaml", text)
    examined = examine(path, environ=ENVIRON)
    assert not examined.problems
    assert not examined.warnings
    for row in SECTIONS:
        told = find(examined.tree, (row.name,))
        assert told is not None, row.name
        expected = set(row.model.model_fields) - {"root"}
        assert expected <= set(plain(told)), row.name
    nodes = [set(plain(entry)) for entry in find(examined.tree, ("nodes",)).value.values()]  # type: ignore[union-attr] # it is there
    assert set.union(*nodes) == set(schema.schema()["$defs"]["NodeAttributes"]["properties"])


def test_values_in_the_example_that_are_defaults_are_the_defaults() -> None:
    """The example shows what holds anyway, but for the few things every site has to say."""
    shown, usual = effective(load(EXAMPLE, environ=ENVIRON)), effective(Settings())
    different = {
        f"{name}.{key}"
        for name in ("cluster", "slurm", "ssh", "storage", "hooks", "policy", "access")
        for key, value in shown[name].items()
        if value != usual[name][key]
    }
    assert different == {"cluster.name", "ssh.user"}
