"""`python -m tests.soak.behaviour`: try on every release what we rely on, and write docs/slurm-behaviour.md."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.soak.behaviour import page


def main() -> int:
    folder = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "soak", f"--junitxml={report}"]
        status = subprocess.run(
            [*command, *sys.argv[1:], folder], cwd=folder.parents[2], check=False
        ).returncode
        written = report.exists() and page.write(report)
    print(f"{page.PAGE} was {'written' if written else 'left as it was: not every experiment was run'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
