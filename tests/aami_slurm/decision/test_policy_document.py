"""The policy document: its schema and the code agree, and the preset that a fresh install gets drains nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aami_hpc.resources import share
from aami_slurm import checks, rails
from aami_slurm.policy import EFFECTS, EVERY, MODES, SCHEMA, problems, quiet_partitions, rails_of, resolve

SCHEMA_FILE = Path(__file__).resolve().parents[3] / "slurm/schema/policy.schema.json"
DOCUMENTED: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(DOCUMENTED)
WRONG_MODES = ["on", False]  # YAML reads a bare off as false


def standard() -> Any:
    return yaml.safe_load((share() / "presets/policy/standard.yaml").read_text(encoding="utf-8"))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(DOCUMENTED)
    assert VALIDATOR.is_valid({})


def test_the_schema_names_what_the_code_names() -> None:
    defined = DOCUMENTED["$defs"]
    assert tuple(defined["mode"]["enum"]) == MODES
    assert tuple(defined["rule"]["properties"]["effect"]["enum"]) == EFFECTS
    assert DOCUMENTED["properties"]["schema"]["const"] == SCHEMA


def test_the_standard_preset_is_a_sound_policy() -> None:
    VALIDATOR.validate(standard())
    assert problems(standard()) == []


def test_the_standard_preset_has_the_rails_that_hold_without_any() -> None:
    assert rails_of(standard()) == rails_of({}) == rails.STANDARD
    assert quiet_partitions(standard()) == []


def test_the_standard_preset_enforces_nothing() -> None:
    for check in (*checks.TABLE, "site-fans", EVERY):
        defaults = {"effect": "block-and-drain", "budget_s": 1.0, "limits": {}}
        rule = resolve(standard(), "gpu-001", check, defaults, 0.0)
        assert rule.mode == "shadow"
        assert rule.origin == "policy standard, no rule of its own"


def test_the_examples_in_the_preset_are_rules() -> None:
    lines = (share() / "presets/policy/standard.yaml").read_text(encoding="utf-8").splitlines()
    examples = yaml.safe_load("\n".join(line[2:] for line in lines if line.startswith("#   - {")))
    assert len(examples) == 2
    told = {**standard(), "rules": examples}
    VALIDATOR.validate(told)
    assert problems(told) == []


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


NUMBERS = st.sampled_from([1, 2.0, 0.05, 1.5, 0, -1, 45, 46, 604_800, 604_801, True, None, "1", float("inf")])
WINDOW = st.fixed_dictionaries(
    {}, optional={"seconds": NUMBERS, "nodes": NUMBERS, "share": NUMBERS, "x": NUMBERS}
)
GOOD_WINDOW = st.just({"seconds": 600, "nodes": 2, "share": 0.05})
OUT = st.fixed_dictionaries({}, optional={"at_least": NUMBERS, "share": NUMBERS})
RAILS = one_of(None, [], 5) | st.fixed_dictionaries(
    {}, optional={"windows": one_of(None, [], {}) | st.lists(WINDOW | GOOD_WINDOW, min_size=1, max_size=2), "out": OUT, "x": NUMBERS}
)  # fmt: skip
TEXTS = one_of("debug", "", "x" * 500, "x" * 501, 5, None, [])
RULE = st.fixed_dictionaries(
    {},
    optional={
        "check": one_of("*", "xid", "site-a.b_C", "", "x!", "**", "x" * 65, 5, None),
        "nodes": one_of("gpu[001-064],login1", "", 5, None, ["a"]),
        "mode": one_of(*MODES, *WRONG_MODES, None, []),
        "effect": one_of(*EFFECTS, "drain", None, 5),
        "budget_s": NUMBERS,
        "interval_s": NUMBERS,
        "limits": one_of({}, {"a": 1}, [], None, "x"),
        "snooze_until": one_of("2027-01-31", "2027-01-31T06:30:00Z", "2027-01-31T06:30:00.25Z", "", "soon", "2027-1-31", 5),
        "why": TEXTS,
        "x": TEXTS,
    },
)  # fmt: skip
GOOD_RULE = st.fixed_dictionaries(
    {"check": one_of("*", "xid")}, optional={"mode": one_of(*MODES), "nodes": one_of("a[1-2]"), "budget_s": one_of(1, 2.5)}
)  # fmt: skip
DOCUMENT = one_of(None, [], "x", {}) | st.fixed_dictionaries(
    {"schema": one_of(SCHEMA, SCHEMA, SCHEMA, "aami.policy/2", None)},
    optional={
        "name": TEXTS,
        "mode": one_of(*MODES, *WRONG_MODES),
        "quiet_partitions": one_of([], ["debug"], [5], "debug", None),
        "rails": RAILS,
        "rules": one_of({}, None) | st.lists(GOOD_RULE | RULE, max_size=3),
        "x": TEXTS,
    },
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(DOCUMENT)
def test_the_code_refuses_what_the_schema_refuses_and_nothing_else(told: Any) -> None:
    assert (problems(told) == []) == VALIDATOR.is_valid(told)


@pytest.mark.parametrize(
    "rule", [{"check": "xid", "nodes": "gpu[1"}, {"check": "xid", "snooze_until": "2027-02-30"}]
)
def test_only_the_code_reads_ranges_and_dates(rule: dict[str, str]) -> None:
    told = {"schema": SCHEMA, "rules": [rule]}
    assert VALIDATOR.is_valid(told)
    assert problems(told)
