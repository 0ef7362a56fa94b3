"""docs/slurm-behaviour.md: what the experiments saw on each release, from the report of the run that made them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.soak.behaviour.catalogue import NAMES
from tests.soak.behaviour.experiment import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.soak.behaviour.experiment import Experiment, Seen

PAGE = Path(__file__).resolve().parent.parent.parent.parent / "docs" / "slurm-behaviour.md"
PROPERTY = "slurm-behaviour"  # of a test in the JUnit report
_HEAD = """\
# How Slurm behaves

Our hooks rely on things that Slurm's manual doesn't say, or says otherwise. Each of them is an experiment on a real
slurmctld and slurmd, repeated on every release that the lab has. `make soak` runs them all and writes this page;
`python -m tests.soak.behaviour` runs these alone. One that ends otherwise than written down here fails.

Last run {when} on Slurm {versions}: {count} experiments; {same} end on all releases as we rely on.

A name such as E8 says nothing but which experiment is meant. "as relied on" stands where a release does what the
second list says; what another release does instead, and why that is no harm, stands there, too.

## Where releases differ

{differences}

## All experiments

{table}

## What we rely on

{details}
"""


def write(report: Path) -> bool:
    """Write the page, unless the run did not hold every experiment."""
    text = read(report)
    if text:
        PAGE.write_text(text, encoding="utf-8")
    return bool(text)


def read(report: Path) -> str:
    """The page's text; empty if the run did not hold every experiment."""
    found = _results(report)
    if found.keys() != set(NAMES):
        return ""
    return _text(found, datetime.now(timezone.utc).date().isoformat())


def _results(report: Path) -> dict[str, dict[str, Any]]:
    texts = [
        found.get("value", "")
        for found in ET.parse(report).getroot().iter("property")
        if found.get("name") == PROPERTY
    ]
    return {result["name"]: result for result in map(json.loads, texts)}


def _text(found: Mapping[str, Mapping[str, Any]], when: str) -> str:
    versions: dict[str, str] = found[NAMES[0]]["versions"]
    rows = [(EXPERIMENTS[name], found[name]["seen"]) for name in NAMES]
    different = [line for experiment, seen in rows for line in _differences(experiment, versions, seen)]
    same = sum(not any(experiment.otherwise(it) for it in seen.values()) for experiment, seen in rows)
    return _HEAD.format(
        when=when,
        versions=", ".join(versions.values()),
        count=len(rows),
        same=same,
        differences="\n".join(different) or "Nowhere.",
        table="\n".join(_table(rows, versions)),
        details="\n\n".join(_details(experiment) for experiment, _ in rows),
    )


def _differences(
    experiment: Experiment, versions: Mapping[str, str], seen: Mapping[str, Seen]
) -> Iterator[str]:
    """A line for each way in which releases do otherwise."""
    told: dict[str, list[str]] = {}
    for release in (release for release in versions if release in seen):
        changed = experiment.otherwise(seen[release])
        if changed:
            words = "; ".join(f"{key}: {_shown(value)}" for key, value in changed.items())
            told.setdefault(f"{words} ({_why(experiment, release, seen[release])})", []).append(
                versions[release]
            )
    for words, found in told.items():
        yield f"- **{experiment.name}**, {experiment.title}. {', '.join(found)}: {words}."


def _why(experiment: Experiment, release: str, seen: Seen) -> str:
    known = experiment.known.get(release)
    return "**not known**" if known is None or experiment.unexpected(release, seen) else known.why


def _table(rows: list[tuple[Experiment, Mapping[str, Seen]]], versions: Mapping[str, str]) -> Iterator[str]:
    yield f"| | tried | what it is for | {' | '.join(versions.values())} |"
    yield f"|---|---|---|{'---|' * len(versions)}"
    for experiment, seen in rows:
        cells = [_verdict(experiment, release, seen) for release in versions]
        yield f"| {experiment.name} | {experiment.title} | {experiment.used_for} | {' | '.join(cells)} |"


def _verdict(experiment: Experiment, release: str, seen: Mapping[str, Seen]) -> str:
    if experiment.once and seen:
        release = next(iter(seen))  # what has nothing to do with Slurm is the same beside each
    if release not in seen:
        return "not run"
    if experiment.unexpected(release, seen[release]):
        return "**different**"
    return "different, known" if experiment.otherwise(seen[release]) else "as relied on"


def _details(experiment: Experiment) -> str:
    lines = [f"- {key}: {_shown(value)}" for key, value in experiment.relied.items()]
    return "\n".join([f"**{experiment.name}**: {experiment.title}", "", *lines])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`" if value not in {"", None} else "nothing"
