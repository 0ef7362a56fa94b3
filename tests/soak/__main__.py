"""`make soak`: run every test marked `soak` or `lab`, on all releases; writes docs/soak.md and docs/slurm-behaviour.md."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

from aami_hpc import __version__
from tests.soak.behaviour import page as behaviour

CLONE = Path(__file__).resolve().parent.parent.parent
PAGE = CLONE / "docs" / "soak.md"
HEAD = """\
# Soak

What `make soak` showed: the tests that are too long for every run (marked `soak`), and every lab test. A row is a test;
a test with parameters counts its cases. Repeat it with `make soak`; it writes this page.

Last run {when}, aami-hpc {version}, {cpus} cores, {system}: {total}.

| test | passed | failed | skipped | seconds |
|---|---|---|---|---|
"""


def table(report: Path) -> tuple[list[str], Counter[str]]:
    """One row per test function of a JUnit report, and the totals."""
    rows: dict[str, Counter[str]] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = re.sub(r"\[.*", "", f"{case.get('classname')}.{case.get('name')}")
        outcome = next(
            (child.tag for child in case if child.tag in {"failure", "error", "skipped"}), "passed"
        )
        counts = rows.setdefault(name, Counter())
        counts["failed" if outcome in {"failure", "error"} else outcome] += 1
        counts["milliseconds"] += round(float(case.get("time", "0")) * 1000)
    lines = [
        f"| {name} | {found['passed']} | {found['failed']} | {found['skipped']} | {found['milliseconds'] / 1000:.0f} |"
        for name, found in sorted(rows.items())
    ]
    return lines, sum(rows.values(), Counter())


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "soak or lab", f"--junitxml={report}"]
        environment = {**os.environ, "AAMI_LAB_REQUIRED": "1"}
        status = subprocess.run(command, cwd=CLONE, env=environment, check=False).returncode
        rows, totals = table(report)
        behaviour.write(report)
    head = HEAD.format(
        when=datetime.now(timezone.utc).date(),
        version=__version__,
        cpus=os.cpu_count(),
        system=platform.platform(terse=True),
        total=f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped",
    )
    PAGE.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
