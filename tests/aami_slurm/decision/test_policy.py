"""Policies: which rule holds for a check on a node, what a snooze does, and that a broken policy never enforces."""

from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_slurm import policy, rails
from aami_slurm.policy import EFFECTS, MODES, Rule, interval, problems, quiet_partitions, rails_of, resolve

DEFAULTS: dict[str, Any] = {
    "budget_s": 2.0,
    "effect": "block-and-drain",
    "limits": {"codes": {}, "margin": 3},
}
NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc).timestamp()


def of(*rules: Any, **keys: Any) -> dict[str, Any]:
    return {"schema": "aami.policy/1", "name": "ours", "rules": list(rules), **keys}


def look(told: Any, node: str = "gpu007", check: str = "xid", now: float = NOW) -> Rule:
    return resolve(told, node, check, DEFAULTS, now)


def test_an_empty_policy_is_all_shadow_with_the_standard_rails() -> None:
    rule = look({})
    assert (rule.mode, rule.effect, rule.budget_s, rule.interval_s) == (
        "shadow",
        "block-and-drain",
        2.0,
        None,
    )
    assert (rule.limits, rule.snoozed_until, rule.at_most_warn) == ({"codes": {}, "margin": 3}, None, False)
    assert rule.origin == "policy without a name, no rule of its own"
    assert rails_of({}) == rails.STANDARD
    assert quiet_partitions({}) == []
    assert problems({}) == []


def test_a_later_rule_wins_key_by_key() -> None:
    told = of(
        {"check": "*", "mode": "enforce", "effect": "drain-after-job", "limits": {"margin": 5}},
        {"check": "xid", "budget_s": 1, "limits": {"codes": {"79": "fail"}}},
        {"check": "xid", "nodes": "gpu[001-064]", "effect": "allow-and-record", "why": "being tried"},
        {"check": "thermal", "mode": "off"},
    )
    rule = look(told)
    assert (rule.mode, rule.effect, rule.budget_s) == ("enforce", "allow-and-record", 1)
    assert rule.limits == {"codes": {"79": "fail"}, "margin": 5}
    assert rule.origin == "policy ours, rules 1, 2, 3: being tried"
    assert look(told, "gpu065").effect == "drain-after-job"
    assert look(told, check="thermal").mode == "off"
    assert DEFAULTS["limits"] == {"codes": {}, "margin": 3}, "the check's own defaults stay as they are"


def test_the_policys_mode_holds_where_no_rule_says_otherwise() -> None:
    assert look(of(mode="enforce")).mode == "enforce"
    assert look(of({"check": "xid", "mode": "shadow"}, mode="enforce")).mode == "shadow"


@pytest.mark.parametrize(
    ("until", "now", "end"),
    [
        ("2026-11-20", "2026-11-20T23:59:59", "2026-11-21T00:00:00Z"),
        ("2026-11-20", "2026-11-21T00:00:00", None),
        ("2026-11-20", "2020-01-01T00:00:00", "2026-11-21T00:00:00Z"),
        ("2026-12-31", "2026-12-31T12:00:00", "2027-01-01T00:00:00Z"),
        ("2028-02-29", "2028-02-29T12:00:00", "2028-03-01T00:00:00Z"),
        ("2026-11-20T06:30:00Z", "2026-11-20T06:29:59", "2026-11-20T06:30:00Z"),
        ("2026-11-20T06:30:00.5Z", "2026-11-20T06:30:00", None),
        ("2026-11-20T06:30:00Z", "2026-11-20T06:30:00", None),
    ],
)
def test_a_snooze_lasts_to_the_end_of_its_day(until: str, now: str, end: str | None) -> None:
    told = of({"check": "xid", "mode": "enforce", "snooze_until": until})
    at = datetime.fromisoformat(now + "+00:00").timestamp()
    rule = look(told, now=at)
    assert (rule.snoozed_until, rule.mode, rule.effect) == (end, "enforce", "block-and-drain")


def test_a_later_snooze_replaces_an_earlier_one() -> None:
    told = of({"check": "*", "snooze_until": "2027-01-01"}, {"check": "xid", "snooze_until": "2026-01-01"})
    assert look(told).snoozed_until is None
    assert look(told, check="thermal").snoozed_until == "2027-01-02T00:00:00Z"


BROKEN: list[tuple[Any, str]] = [
    ({"check": "xid", "mode": "enfroce"}, "mode is 'enfroce', not off, shadow or enforce"),
    ({"check": "xid", "mode": False}, "mode is False (write it in quotes), not off, shadow or enforce"),
    ({"check": "xid", "effect": "drain"}, "effect is 'drain', not allow-and-record"),
    ({"check": "xid", "nodes": "gpu[1-"}, "nodes: 'gpu[1-': a bracket is not closed"),
    ({"check": "xid", "nodes": ""}, "nodes: a name of a node is missing"),
    ({"check": "xid", "nodes": "ALL"}, "nodes: 'ALL': this is no name of a node"),
    ({"check": "xid", "nodes": ["gpu1"]}, "nodes: a range of nodes is a text"),
    ({"check": "xid", "budget_s": 0}, "budget_s is 0"),
    ({"check": "xid", "budget_s": float("nan")}, "budget_s is nan"),
    ({"check": "xid", "budget_s": "1"}, "budget_s is '1'"),
    ({"check": "xid", "interval_s": -1}, "interval_s is -1"),
    ({"check": "xid", "limits": []}, "limits is [], not a mapping"),
    ({"check": "xid", "limits": {"margin": "3"}}, "limits: margin is '3', of another type than 3"),
    ({"check": "xid", "limits": {"codes": 5}}, "limits: codes is 5, of another type than {}"),
    ({"check": "xid", "limits": {"fresh_s": "1h"}}, "limits: fresh_s is '1h'"),
    ({"check": "xid", "limits": {"fresh_s": 7200}}, "limits: fresh_s is 7200, not seconds, up to 3600"),
    ({"check": "*", "limits": {"fresh_s": 3600.5}}, "limits: fresh_s is 3600.5, not seconds, up to 3600"),
    ({"check": "xid", "snooze_until": "tomorrow"}, "snooze_until is 'tomorrow'"),
    ({"check": "xid", "snooze_until": "2026-02-30"}, "snooze_until is '2026-02-30'"),
    ({"check": "xid", "snooze_until": "2026-11-20T25:00:00Z"}, "snooze_until is"),
    ({"check": "xid", "snooze_until": "2026-11-20T06:30:00"}, "snooze_until is"),
    ({"check": "xid", "snooze_until": "2026-11-20T06:30:00+01:00"}, "snooze_until is"),
    ({"check": "xid", "snooze_until": 20261120}, "snooze_until is 20261120"),
    ({"check": "xid", "why": 5}, "why is 5"),
    ({"check": "xid", "efect": "allow-and-record"}, "a key 'efect', which is not known"),
    ({"check": "*", "mode": "on"}, "mode is 'on'"),
    ({"check": "xid!"}, "check is 'xid!'"),
    ({"check": ""}, "check is ''"),
    ({"check": 5}, "check is 5"),
    ({"mode": "enforce"}, "it names no check"),
    ([], "it is no mapping"),
    (None, "it is no mapping"),
]


@pytest.mark.parametrize(("broken", "words"), BROKEN)
def test_a_broken_rule_puts_its_check_in_shadow_and_says_why(broken: Any, words: str) -> None:
    told = of({"check": "*", "mode": "enforce"}, broken)
    rule = look(told)
    assert rule.mode == "shadow"
    assert rule.origin.startswith("rule 2 is broken: ")
    assert words in rule.origin
    assert rule.origin.endswith("policy ours, rule 1")
    found = problems(told, {"xid": DEFAULTS})
    assert any(one.startswith("rule 2: ") and words in one for one in found)


def test_a_broken_rule_of_another_check_or_node_changes_nothing() -> None:
    told = of(
        {"check": "*", "mode": "enforce"},
        {"check": "thermal", "mode": "enfroce"},
        {"check": "xid", "nodes": "gpu1", "mode": "enfroce"},
    )
    assert look(told).mode == "enforce"
    assert look(told, check="thermal").mode == "shadow"
    assert look(told, "gpu1").mode == "shadow"


def test_a_broken_rule_turns_no_check_on() -> None:
    assert look(of({"check": "xid", "mode": "off"}, {"check": "xid", "mode": "enfroce"})).mode == "off"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (None, "the policy is no mapping"),
        ([], "the policy is no mapping"),
        ({"mode": "enforce"}, "its schema is None, this release reads aami.policy/1"),
        (of(mode="enforce", schema="aami.policy/2"), "its schema is 'aami.policy/2'"),
        (of(mode="enforce", rals={}), "it has a key 'rals', which is not known"),
        (of(mode="enforced"), "mode is 'enforced'"),
        (of(mode=False), "mode is False (write it in quotes)"),
        (of(mode="enforce", name=5), "name is no text"),
        (of(mode="enforce", quiet_partitions="debug"), "quiet_partitions is no list of names"),
        (of(mode="enforce", rails={"windows": []}), "rails.windows is no list of at least one window"),
        (of(mode="enforce", rails=None), "rails is no mapping"),
        ({**of(mode="enforce"), "rules": {}}, "rules is no list"),
    ],
)
def test_a_policy_broken_as_a_whole_is_all_shadow(told: Any, words: str) -> None:
    rule = look(told)
    assert rule.mode == "shadow"
    assert words in rule.origin
    assert any(words in one for one in problems(told))
    assert rails.problems(rails_of(told)) == []


def test_a_sites_own_check_is_at_most_a_warning_until_it_is_enforced_by_name() -> None:
    for told in (
        of(mode="enforce"),
        of({"check": "*", "mode": "enforce"}),
        of({"check": "site-fans", "mode": "shadow"}),
    ):
        rule = look(told, check="site-fans")
        assert (rule.mode, rule.at_most_warn) == ("shadow", True)
    named = of({"check": "site-fans", "mode": "enforce", "nodes": "gpu[001-064]"})
    rule = look(named, check="site-fans")
    assert (rule.mode, rule.at_most_warn) == ("enforce", False)
    assert look(named, "gpu100", "site-fans").at_most_warn
    assert look(of(*named["rules"], {"check": "site-fans", "mode": "shadow"}), check="site-fans").at_most_warn
    assert look(of({"check": "site-fans", "mode": "off"}), check="site-fans").mode == "off"


def test_rails_may_be_given_in_part() -> None:
    told = {"out": {"share": 0.1, "at_least": 1}}
    assert rails_of(of(rails=told)) == {"windows": rails.STANDARD["windows"], **told}
    assert rails_of(of(rails={"out": {"share": 7, "at_least": 1}})) == rails.STANDARD


def test_the_interval_of_a_check_on_a_node() -> None:
    told = of({"check": "*", "interval_s": 60}, {"check": "driver-answers", "nodes": "gpu1", "interval_s": 5})
    assert interval(told, "gpu1", "driver-answers", 300) == 5
    assert interval(told, "gpu2", "driver-answers", 300) == 60
    assert interval({}, "gpu2", "driver-answers", 300) == 300
    assert interval(None, "gpu2", "driver-answers", 300) == 300


def test_quiet_partitions_are_names() -> None:
    assert quiet_partitions(of(quiet_partitions=["timing", "bench"])) == ["timing", "bench"]
    assert quiet_partitions(of(quiet_partitions="timing")) == []
    assert quiet_partitions(None) == []


def test_a_rule_for_a_check_that_there_is_not_is_told() -> None:
    told = of({"check": "xyd"}, {"check": "*"}, {"check": "site-fans"}, {"check": "xid"})
    assert problems(told, {"xid": DEFAULTS}) == ["rule 1: there is no check xyd"]
    assert problems(told) == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.sampled_from([*MODES, *EFFECTS, "*", "xid", "gpu[1-3]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*policy._KEYS, "check", "nodes", "effect", "limits"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
RULES = st.fixed_dictionaries(
    {"check": st.sampled_from(["*", "xid", "thermal"]) | ANYTHING},
    optional={key: st.sampled_from(["enforce", "block-and-drain", "gpu[1-3]", "2027-01-01", 5]) | ANYTHING for key in policy._TESTS if key != "check"},
)  # fmt: skip


@given(
    ANYTHING
    | st.builds(
        lambda rules, mode: of(*rules, mode=mode),
        st.lists(RULES | ANYTHING, max_size=4),
        st.sampled_from(MODES) | ANYTHING,
    )
)
def test_any_document_gives_a_rule_that_can_be_used(told: Any) -> None:
    rule = look(told, "gpu1")
    assert rule.mode in MODES
    assert rule.effect in EFFECTS
    assert rule.budget_s > 0
    assert isinstance(rule.limits, dict)
    assert isinstance(rule.limits["margin"], (int, float))
    assert rule.origin.isascii()
    assert rule.origin.isprintable()
    assert rails.problems(rails_of(told)) == []
    assert all(isinstance(name, str) for name in quiet_partitions(told))
    assert interval(told, "gpu1", "xid", 300) >= 0


@given(RULES, st.sampled_from(["xid", "*"]))
def test_a_rule_with_problems_never_enforces(broken: dict[str, Any], check: str) -> None:
    one = {key: value for key, value in broken.items() if key != "nodes"} | {"check": check}
    told = of({"check": "*", "mode": "enforce"}, one)
    rule = look(told)
    if problems(told, {"xid": DEFAULTS}):
        assert rule.mode == "shadow"
    else:
        assert rule.mode == one.get("mode", "enforce")
    assert look({**told, "schema": "aami.policy/9"}).mode == "shadow"
