"""The published lines of tests/data/xid/lines.tsv: each with what it must be read as, and where it was found."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "data" / "xid"
YEAR = 2025  # for the lines whose stamp has none
NUMBERS = ("code", "pid", "caused_by", "mono_us")
TEXTS = ("kind", "bus_id", "process", "channel", "time", "trust")


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    expected: dict[str, Any]
    fields: dict[str, Any]
    source: str


def published() -> list[Line]:
    with (DATA / "lines.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [_line(row) for row in rows]


def _line(row: dict[str, str]) -> Line:
    expected: dict[str, Any] = {name: row[name] or None for name in TEXTS}
    expected.update({name: int(row[name]) if row[name] else None for name in NUMBERS})
    expected["mig"] = json.loads(row["mig"]) if row["mig"] else None
    expected["bystander"] = row["bystander"] == "yes"
    return Line(row["line"], expected, json.loads(row["fields"]), row["source"])


def about(*marks: str) -> list[str]:
    """The published lines that hold one of these marks, in the file's order."""
    return [line.text for line in published() if any(mark in line.text for mark in marks)]
