"""The data files fit each other and the code: every word one of them uses is known to the others."""

import json
import re
from collections.abc import Iterator

from aami_xid import weights
from aami_xid.companions import FORMS
from aami_xid.decode import nvswitch
from aami_xid.tables import table

FOLLOWED = re.compile(r"^(?:xid:([0-9]+)|sxid:(\*|switch|fatal|[0-9]+)|([a-z-]+))$")


def rows() -> Iterator[list[object]]:
    codes = table("codes")
    yield from codes["xid"].values()
    yield from codes["kind"].values()
    yield from codes["sxid"].values()
    yield codes["unknown"]


def test_every_code_from_1_to_177_has_a_weight() -> None:
    assert set(table("codes")["xid"]) == {str(code) for code in range(1, 183)}


def test_every_weight_uses_known_words() -> None:
    for family, severity, action, priority, process, title in rows():
        assert severity in weights.SEVERITIES
        assert action in weights.ACTIONS
        assert isinstance(priority, int)
        assert 0 < priority <= 100
        assert process in {"owner", "caller"}
        assert isinstance(family, str)
        assert isinstance(title, str)
        assert title


def test_actions_that_readings_name_are_known() -> None:
    readings = table("readings")
    named = {row[0] for row in readings["recovery"].values()} | set(readings["nvlink5_do"].values())
    named |= {row[3] for row in readings["remap_failure"]}
    named |= {story["action"] for story in table("groups")["stories"] if "action" in story}
    assert named <= set(weights.ACTIONS)


def test_kinds_that_the_grammar_gives_are_weighed_or_known_to_be_no_fault() -> None:
    kinds = {kind for kind, _ in FORMS}
    assert kinds - set(table("codes")["kind"]) == {
        "gpu-at",
        "board-serial",
        "driver-version",
        "nvrm",
        "nvswitch",
    }


def test_rules_speak_of_codes_and_kinds_that_exist() -> None:
    groups = table("groups")
    tokens = {token for rule in groups["links"] for token in [*rule["roots"], *rule["followers"]]}
    tokens |= {
        token
        for story in groups["stories"]
        for part in ("root", "any", "all", "none")
        for token in story.get(part, [])
    }
    tokens |= set(groups["only_as_followers"])
    for token in tokens:
        match = FOLLOWED.match(token)
        assert match, token
        if match.group(1):
            assert match.group(1) in table("codes")["xid"]
        if match.group(3):
            assert match.group(3) in table("codes")["kind"]


def test_link_rules_fit_the_time_that_groups_are_waited_for() -> None:
    from aami_xid.groups import REACH

    assert all(rule["before_s"] + rule["after_s"] <= REACH for rule in table("groups")["links"])


def test_every_story_can_be_told() -> None:
    words = dict.fromkeys(("gpu", "bus", "name", "unit", "reading", "scope"), "x")
    for story in table("groups")["stories"]:
        assert story["title"].format(**words)
        story["text"].format(**words)
    assert set(table("groups")["stories"][-1]) == {"name", "title", "text"}  # the last one fits everything


def test_nvlink5_rows_use_known_words() -> None:
    readings = table("readings")
    for unit in table("nvlink5")["units"]:
        for key, row in unit["rows"].items():
            assert row["do"] in readings["nvlink5_do"]
            assert row["then"] is None or row["then"] in readings["nvlink5_then"]
            assert unit["match"] != "reason" or key in readings["link_down"]


def test_switch_codes_stand_in_one_list_each() -> None:
    tables = table("sxid")
    lists = [tables[name] for name in ("fatal", "non-fatal", "depends", "unsaid")]
    lists += [codes for name, codes in tables["older"].items() if name != "about"]
    known = [sum(nvswitch.inside(code, codes) for codes in lists) for code in range(10001, 30007)]
    assert set(known) <= {0, 1}
    assert sum(known) == 400
    reached = {code for code in range(10001, 30007) if nvswitch.scope(code) != "unknown"}
    assert all(known[code - 10001] for code in reached)
    both = [
        code
        for code in reached
        if all(nvswitch.inside(code, tables[name]) for name in ("one_port", "switch_wide"))
    ]
    assert both == []


def test_the_files_say_what_they_are_for() -> None:
    for name in ("codes", "nvlink5", "readings", "groups", "sxid"):
        assert table(name)["about"]
        assert json.dumps(table(name))
