"""Every check has a page that tells what it reads, when it is wrong and how to snooze it, and tells it as the code is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from aami_slurm import checks, policy, site_checks
from aami_xid.weights import ACTIONS
from tests.aami_slurm.checks.worlds import HERE

PAGES = HERE.parents[2] / "docs/checks"
DEFAULTS = {name: checks.load(name).DEFAULTS for name in checks.TABLE}
SECTIONS = ["Why", "When it is wrong", "What to do"]


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text("utf-8")


def rows(text: str) -> dict[str, list[str]]:
    """Rows of all tables in a page, by their first cell."""
    cells = [
        re.split(r" *(?<!\\)\| *", line.strip())[1:-1] for line in text.splitlines() if line.startswith("| ")
    ]
    return {row[0]: row[1:] for row in cells}


def rules(text: str) -> list[dict[str, Any]]:
    """The rules of every example of a policy in a page."""
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    return [rule for block in blocks for rule in yaml.safe_load(block)["policy"]["rules"]]


def test_there_is_a_page_for_each_check_and_none_for_anything_else() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*checks.TABLE, "README", "site"}


@pytest.mark.parametrize("name", checks.TABLE)
def test_a_page_begins_with_what_the_check_is(name: str) -> None:
    lines = page(name).splitlines()
    assert lines[0] == f"# {name}"
    assert lines[2].endswith(".")
    told = rows(page(name))
    module = checks.load(name)
    assert told["runs in"] == [", ".join(module.PHASES)]
    assert told["budget"] == [f"{module.DEFAULTS['budget_s']:g} s"]
    assert told["effect"][0].startswith(f"`{module.DEFAULTS['effect']}`: "), "and why"
    looks = module.DEFAULTS.get("looks")
    assert [cell.partition(":")[0] for cell in told.get("looks", [])] == ([str(looks)] if looks else [])
    assert "`shadow`" in told["mode"][0]
    assert all(told[key][0] for key in ("reads", "finds", "code in a drain reason"))


@pytest.mark.parametrize("name", checks.TABLE)
def test_the_limits_in_a_page_are_those_of_the_code(name: str) -> None:
    text = page(name)
    limits = checks.load(name).DEFAULTS["limits"]
    if not limits:
        assert "It has no limits." in text
        return
    table = rows(text[text.index("| limit | default |") : text.index("## Why")])
    shown = {
        key.strip("`"): json.loads(row[0].strip("`")) for key, row in table.items() if key.startswith("`")
    }
    assert shown == limits


@pytest.mark.parametrize("name", checks.TABLE)
def test_a_page_says_why_when_it_is_wrong_and_what_to_do(name: str) -> None:
    parts = dict(part.split("\n", 1) for part in page(name).split("\n## ")[1:])
    assert [section for section in SECTIONS if len(parts.get(section, "").split()) < 8] == []


@pytest.mark.parametrize("name", checks.TABLE)
def test_a_pages_snooze_works_until_its_date(name: str) -> None:
    text = page(name)
    (rule,) = rules(text[text.index("## Snooze it") :])
    assert rule["check"] == name
    told = {"schema": policy.SCHEMA, "rules": [rule]}
    assert policy.problems(told, DEFAULTS) == []
    last, after = 1798761599.0, 1798761601.0  # 2026-12-31T23:59:59Z and two seconds later
    assert (
        policy.resolve(told, rule["nodes"], name, DEFAULTS[name], last).snoozed_until
        == "2027-01-01T00:00:00Z"
    )
    assert policy.resolve(told, rule["nodes"], name, DEFAULTS[name], after).snoozed_until is None
    assert policy.resolve(told, "gpu-018", name, DEFAULTS[name], last).snoozed_until is None


@pytest.mark.parametrize("name", sorted({*checks.TABLE, "README", "site"}))
def test_every_example_of_a_policy_can_be_used(name: str) -> None:
    told = {"schema": policy.SCHEMA, "rules": rules(page(name))}
    assert policy.problems(told, DEFAULTS) == []


def test_the_index_names_every_check_as_the_table_has_it() -> None:
    told = rows(page("README"))
    shown = {key: row for key, row in told.items() if key.startswith("[")}
    assert list(shown) == [f"[{name}]({name}.md)" for name in checks.TABLE]
    for name in checks.TABLE:
        summary, phases, effect = shown[f"[{name}]({name}.md)"]
        assert page(name).splitlines()[2] == summary + "."
        assert phases == ", ".join(checks.TABLE[name][1])
        assert effect == f"`{DEFAULTS[name]['effect']}`"


def test_the_page_of_the_sites_own_checks_tells_their_contract() -> None:
    text = page("site")
    assert f"`PATH` | `{site_checks.PATH}`" in text
    assert all(f"`{action}`" in text for action in ACTIONS)
    assert f"The budget is {site_checks.DEFAULTS['budget_s']:g} s" in text
    assert f"`{site_checks.DEFAULTS['effect']}`" in text
    assert f"{site_checks.LARGEST // 1024} KiB" in text
    example = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert example is not None
    assert site_checks.read(0, example.group(1).encode()).outcome == "fail"
    assert set(re.findall(r"`(AAMI_[A-Z_]+)`", text)) == {
        name for name in site_checks._environment({}) if name.startswith("AAMI_")
    }


def test_what_may_come_late_at_boot_needs_a_second_look() -> None:
    looks = {name: told["looks"] for name, told in DEFAULTS.items() if "looks" in told}
    assert looks == {"nvlink-down": 2, "mount-missing": 2}


def test_the_tables_of_reports_and_recovery_actions_are_those_of_the_code() -> None:
    from aami_slurm.checks import recovery_action, xid

    table = rows(page("xid"))
    by_outcome = {
        row[0]: set(re.findall(r"`([a-z-]+)`", key))
        for key, row in table.items()
        if "`reset-gpu`" in key or "`none`" in key or "`investigate`" in key
    }
    assert by_outcome["`fail`"] == xid.NODE_OUT
    assert by_outcome["nothing"] == xid.NOTHING
    assert by_outcome["`warn`"] == set(ACTIONS) - xid.NODE_OUT - xid.NOTHING
    told = rows(page("recovery-action"))
    assert {number: told[str(number)][1].strip("`") for number in range(1, 8)} == {
        number: outcome for number, (outcome, _, _) in recovery_action.MEANING.items()
    }
