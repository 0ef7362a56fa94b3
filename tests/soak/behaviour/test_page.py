"""The page of Slurm's behaviour, and the recorded environments, hold together without a Slurm at hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.lab.releases import Release
from tests.soak.behaviour import page
from tests.soak.behaviour.catalogue import NAMES
from tests.soak.behaviour.environments import FOLDER, HOOKS, path
from tests.soak.behaviour.experiment import EXPERIMENTS, Experiment, Known

if TYPE_CHECKING:
    from pathlib import Path

_VERSIONS = {"22.05": "22.05.8", "26.05": "26.05.5"}


def _experiment() -> Experiment:
    return Experiment(
        "E99",
        "a try",
        "something of ours",
        {"state": "IDLE", "ours": True},
        lambda bench: {},
        {"26.05": Known({"state": "DOWN"}, "no harm")},
    )


def test_what_differs_is_known_or_not() -> None:
    tried = _experiment()
    assert tried.unexpected("22.05", {"state": "IDLE", "ours": True}) == {}
    assert tried.unexpected("26.05", {"state": "DOWN", "ours": True}) == {}
    assert tried.otherwise({"state": "DOWN", "ours": True}) == {"state": "DOWN"}
    assert tried.unexpected("22.05", {"state": "DOWN", "ours": True}) == {"state": "DOWN"}
    assert tried.unexpected("26.05", {"state": "IDLE", "ours": True}) == {"state": "IDLE"}
    assert tried.unexpected("22.05", {"state": "IDLE"}) == {"ours": None}
    assert tried.unexpected("22.05", {"state": "IDLE", "ours": True, "more": 1}) == {"more": 1}


def test_a_difference_is_told_with_its_reason_or_as_unknown() -> None:
    seen = {"22.05": {"state": "ODD", "ours": True}, "26.05": {"state": "DOWN", "ours": True}}
    told = list(page._differences(_experiment(), _VERSIONS, seen))
    assert told == [
        "- **E99**, a try. 22.05.8: state: `ODD` (**not known**).",
        "- **E99**, a try. 26.05.5: state: `DOWN` (no harm).",
    ]
    assert [page._verdict(_experiment(), release, seen) for release in _VERSIONS] == [
        "**different**",
        "different, known",
    ]
    assert page._verdict(_experiment(), "24.11", seen) == "not run"


def test_a_report_becomes_the_page_only_when_every_experiment_is_in_it(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    results: list[dict[str, Any]] = [
        {"name": name, "versions": _VERSIONS, "seen": {r: EXPERIMENTS[name].expected(r) for r in _VERSIONS}}
        for name in NAMES
    ]
    report.write_text(_report(results[1:]), encoding="utf-8")
    assert page.read(report) == ""
    report.write_text(_report(results), encoding="utf-8")
    text = page.read(report)
    assert all(f"\n| {name} | {EXPERIMENTS[name].title} |" in text for name in NAMES)
    assert "not known" not in text


def _report(results: list[dict[str, Any]]) -> str:
    tests = "".join(
        f"<testcase><properties><property name='{page.PROPERTY}' value='{_quoted(result)}'/></properties></testcase>"
        for result in results
    )
    return f"<testsuites><testsuite>{tests}</testsuite></testsuites>"


def _quoted(result: dict[str, Any]) -> str:
    return json.dumps(result).replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;")


def test_the_page_shows_todays_experiments() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    missing = [name for name in NAMES if f"\n| {name} | {EXPERIMENTS[name].title} |" not in text]
    assert missing == [], "python -m tests.soak.behaviour writes it anew"


def test_exceptions_are_of_releases_that_the_lab_has() -> None:
    releases = {release.value for release in Release}
    assert all(EXPERIMENTS[name].known.keys() <= releases for name in NAMES)


def test_recorded_environments_are_there_and_say_nothing_of_the_machine() -> None:
    wanted = {path(release, hook) for release in Release for hook in HOOKS}
    assert set(FOLDER.glob("*.json")) == wanted
    for file in wanted:
        document = json.loads(file.read_text(encoding="ascii"))
        assert document["slurm"].startswith(file.name[:5])
        words = [word for case in document["cases"].values() for word in case.values()]
        assert not [word for word in words if "/var/" in word or "/tmp/" in word or "AAMI_LAB" in word]
