"""A damaged entry is an error that names the file and the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from aami_hpc.errors import DamagedInstallation
from aami_hpc.xid import catalog

if TYPE_CHECKING:
    from pathlib import Path


def good() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((catalog.folder("xid") / "079.yaml").read_text("utf-8"))
    return found


def refused(tmp_path: Path, text: str, name: str = "079.yaml") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DamagedInstallation) as met:
        catalog.load_sxids(path) if name == "nport.yaml" else catalog.load_xid(path)
    assert str(path) in met.value.cause
    return met.value.cause.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"colour": "red"}, "colour is not a key of the schema"),
        ({"code": "79"}, "code must be a whole number, not '79'"),
        ({"code": True}, "code must be a whole number, not True"),
        ({"severity": "bad"}, "severity must be one of fatal, error, warning, info"),
        ({"affects": "node"}, "affects must be a list"),
        ({"affects": ["rack"]}, "affects.0 must be one of app, gpu, node, fabric"),
        ({"title": "  "}, "title must not be empty"),
        ({"causes": [{"text": "x"}]}, "causes.0.likelihood is missing"),
        ({"causes": [{"text": "x", "likelihood": "sure"}]}, "causes.0.likelihood must be one of likely, possible, rare"),
        ({"actions": {"now": ["x"], "if_repeats": {"twice": "x"}}}, "actions.if_repeats must be one of"),
        ({"actions": []}, "actions must be a mapping"),
        ({"generations": {"V100": "x"}}, "generations must be one of A100, H100, B200, GB200"),
        ({"related": [{"code": 1, "order": "near", "why": "x"}]}, "related.0.order must be one of before, with, after"),
        ({"example": {"log": ["x"]}}, "example.story is missing"),
        ({"code": 80}, "code is 80: the file must be called 080.yaml"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    assert refused(tmp_path, yaml.safe_dump({**good(), **change})).startswith(told)


@pytest.mark.parametrize("key", [key for key in good() if key != "example"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    left = {name: value for name, value in good().items() if name != key}
    assert refused(tmp_path, yaml.safe_dump(left)) == f"{key} is missing"


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    text = (catalog.folder("xid") / "079.yaml").read_text("utf-8")
    assert "title stands twice" in refused(tmp_path, text + "title: other\n")


@pytest.mark.parametrize("text", ["", "- 1\n", "code: [\n", "\tcode: 1\n", "!!python/object:os.system {}\n"])
def test_what_is_no_entry_at_all(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("unit: X\nwhat: y\n", "entries must be a list"),
        ("unit: X\nentries: []\n", "what is missing or no text"),
        ("unit: X\nwhat: y\nnotes: z\nentries: []\n", "notes is not a key of the schema"),
        ("unit: X\nwhat: y\nentries: [{code: 11000}]\n", "entries.0.mnemonic is missing"),
    ],
)
def test_files_of_sxids(tmp_path: Path, text: str, told: str) -> None:
    assert refused(tmp_path, text, "nport.yaml") == told
