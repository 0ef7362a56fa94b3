"""Run `aami-hpc` as nobody, with every module loaded before: root's own interpreter may be out of nobody's sight.

`python -m tests.cli.ordinary ARGUMENT…` first runs `look` as root with its output thrown away, which loads what
is loaded late, and then the command as nobody. MARK is looked for between the two, so that a trace shows where
the second run begins.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from pathlib import Path

from aami_hpc.cli import main
from aami_hpc.cli.table import COMMANDS

MARK = "/aami-hpc-now-as-nobody"
NOBODY = 65534


def run(arguments: list[str]) -> None:
    for row in COMMANDS:
        importlib.import_module(row.module)
    for action in ("init", "status"):
        importlib.import_module(f"aami_hpc.actions.{action}")
    sys.argv = ["aami-hpc", "look", "--json"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    Path(MARK).exists()
    sys.argv = ["aami-hpc", *arguments]
    main()


if __name__ == "__main__":
    run(sys.argv[1:])
