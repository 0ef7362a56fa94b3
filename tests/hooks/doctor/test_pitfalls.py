"""Every pitfall is seen where it is, told so that somebody can act on it, and not seen where it is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aami_hpc.hooks.doctor.pitfalls import PITFALLS, examine
from tests.hooks.doctor.cases import CASES, Case
from tests.hooks.doctor.sites import bare, site

MANUAL = Path(__file__).parents[3] / "docs" / "hooks.md"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.level}")
def test_a_site_that_falls_into_it_is_told(case: Case) -> None:
    found = [one for one in examine(case.facts) if one.name == case.name and one.level == case.level]
    told = " ".join(f"{one.what} {one.why} {one.do}" for one in found)
    assert case.says in told, examine(case.facts)


def test_a_site_that_is_well_has_no_problem_and_nothing_unknown() -> None:
    assert {one.level for one in examine(site())} == {"ok", "note"}
    assert [one.name for one in examine(site()) if one.level == "note"] == ["held-jobs"]


def test_every_pitfall_has_a_case() -> None:
    told = {case.name for case in CASES}
    silent = [
        pitfall.__name__
        for pitfall in PITFALLS
        if not any(told & {one.name for one in pitfall(case.facts)} for case in CASES)
    ]
    assert silent == []


def test_whatever_is_wrong_has_a_reason_and_something_to_do() -> None:
    for case in CASES:
        for one in examine(case.facts):
            assert one.level in {"ok", "unknown"} or one.why, one
            assert one.level != "problem" or one.do, one


def test_every_finding_has_its_section_in_the_manual() -> None:
    sections = set(re.findall(r"^### ([a-z-]+)$", MANUAL.read_text(encoding="utf-8"), re.MULTILINE))
    told = {one.name for case in CASES for one in examine(case.facts)} | {"parse"}
    assert told == sections & told
    assert sections == told, "a section that no finding leads to"


def test_facts_that_slurm_does_not_tell_are_no_fault_of_the_site() -> None:
    found = examine(
        bare(
            {
                "MessageTimeout": None,
                "UnkillableStepTimeout": None,
                "ReturnToService": None,
                "PrEpPlugins": None,
            }
        )
    )
    assert not {one.name for one in found} & {
        "message-timeout",
        "unkillable-step-timeout",
        "return-to-service",
        "prep-plugin",
    }
