"""scontrol and sinfo that give recorded answers, as programs: for tests that run the whole command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.slurm.replay import DATA, SEPARATOR

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAM = """\
#!{python} -IS
import json, re, sys
program = {program!r}
drawn = re.findall("NodeList:(<[0-9a-f]+>),", " ".join(sys.argv))
separator = drawn[0] if drawn else {separator!r}
asked = [program, *(word.replace(separator, {separator!r}) for word in sys.argv[1:])]
with open({answers!r}) as stream:
    found = [one for one in json.load(stream) if one["asked"] == asked]
if not found:
    sys.exit(f"{{program}}: nothing is recorded for {{sys.argv[1:]}}")
sys.stdout.buffer.write(found[0]["stdout"].replace({separator!r}, separator).encode())
sys.stderr.write(found[0]["stderr"])
sys.exit(found[0]["status"])
"""


def install(folder: Path, release: str = "22.05") -> Path:
    """Put the two programs into the folder; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for program in ("scontrol", "sinfo"):
        path = folder / program
        path.write_text(
            _PROGRAM.format(
                python=sys.executable,
                program=program,
                separator=SEPARATOR,
                answers=str(DATA / release / "answers.json"),
            )
        )
        path.chmod(0o755)
    return folder


def install_silent(folder: Path) -> Path:
    """Programs of a Slurm whose controller is down."""
    folder.mkdir(parents=True, exist_ok=True)
    for program in ("scontrol", "sinfo"):
        path = folder / program
        path.write_text("#!/bin/sh\necho 'Slurmctld(primary) at head1 is DOWN'\nexit 1\n")
        path.chmod(0o755)
    return folder
