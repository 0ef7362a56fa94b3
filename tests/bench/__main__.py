"""`make bench`: run every benchmark, write docs/benchmarks.md, end with status 1 if a promise is not kept."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import hooks, nodes_test, start, xid_log

if TYPE_CHECKING:
    from tests.bench import Measured

BENCHMARKS = {
    "start": start.measure,
    "hooks": hooks.measure,
    "nodes_test": nodes_test.measure,
    "xid_log": xid_log.measure,
}
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks

Every figure is a ratio: ours and its yardstick ran in turns on one machine, and their medians are compared. The
times beside them belong to that machine and say little elsewhere. Repeat them with `make bench` (or
`.venv/bin/python -m tests.bench --only start`); it writes this page.

Last run {when}, {cpus} cores, {system}, Python {python}.

| what | ratio | promised | ours | yardstick | runs |
|---|---|---|---|---|---|
"""


def row(found: Measured) -> str:
    sign = "≥" if found.at_least else "≤"
    kept = "" if found.kept else " **not kept**"
    return (
        f"| {found.name} | {found.ratio:.1f}{kept} | {sign} {found.limit:g} "
        f"| {found.ours} | {found.yardstick} | {found.runs} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, help="run one benchmark and leave the page as it is")
    only = parser.parse_args().only
    results = []
    for name, measure in BENCHMARKS.items():
        if only in {None, name}:
            for found in measure():
                print(row(found), flush=True)
                results.append(found)
    if only is None:
        head = HEAD.format(
            when=datetime.now(timezone.utc).date(),
            cpus=os.cpu_count(),
            system=platform.platform(terse=True),
            python=platform.python_version(),
        )
        PAGE.write_text(head + "".join(f"{row(found)}\n" for found in results), encoding="utf-8")
    return 0 if all(found.kept for found in results) else 1


if __name__ == "__main__":
    sys.exit(main())
