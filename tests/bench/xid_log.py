"""Reading a log of a million lines for faults, against looking for one word in it; and what the import costs."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import Measured, in_turns, seconds
from tests.xid.lines import published

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES, ONE_IN = 1_000_000, 1000
RUNS_LOG, RUNS_IMPORT = 7, 31
PACKAGE = Path(__file__).resolve().parent.parent.parent / "xid"
NOISE = [
    "systemd[1]: Started Session {} of user root.",
    "kernel: [{}.000000] EXT4-fs (sda1): re-mounted. Opts: errors=remount-ro. Quota mode: none.",
    "slurmstepd[{}]: task/affinity: task_p_pre_launch: binding step to the cores of its allocation",
    'kernel: [{}.000000] audit: type=1400 apparmor="STATUS" operation="profile_load" profile="unconfined"',
]
COMMAND = str(Path(sys.executable).with_name("aami-hpc"))
NEEDS_ACTION = 1  # the exit status: there are faults in it
YARDSTICK = "for line in open({!r}):\n    'Xid' in line"


def measure() -> Iterator[Measured]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "kern.log"
        _write(log)
        ours, plain = in_turns(
            lambda: seconds([COMMAND, "explain", "log", "--year", "2025", str(log)], status=NEEDS_ACTION),
            lambda: _run(YARDSTICK.format(str(log))),
            RUNS_LOG,
        )
    yield Measured(
        "`explain log`, 1,000,000 lines, 0.1 % from the driver", ours / plain, 3,
        f"{ours:.2f} s", f"`'Xid' in line` for every line, {plain:.2f} s", RUNS_LOG,
    )  # fmt: skip
    imported = f"import sys; sys.path.insert(0, {str(PACKAGE)!r}); import aami_xid"
    ours, bare = in_turns(lambda: _run(imported), lambda: _run("pass"), RUNS_IMPORT)
    yield Measured(
        "`import aami_xid`",
        ours / bare,
        2.5,
        f"{ours * 1000:.0f} ms",
        f"python3 -c pass, {bare * 1000:.0f} ms",
        RUNS_IMPORT,
    )


def _run(code: str) -> float:
    return seconds([sys.executable, "-c", code])


def _write(log: Path) -> None:
    """A second a line; the driver's lines are the published ones, in the order of dice that always fall alike."""
    dice = random.Random(1)
    messages = [line.text[line.text.index("NVRM:") :] for line in published() if "NVRM:" in line.text]
    with log.open("w", encoding="utf-8") as stream:
        for number in range(LINES):
            day, second = divmod(number, 86400)
            stamp = (
                f"Feb {day + 1:02d} {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d} gpu-017"
            )
            if number % ONE_IN == ONE_IN - 1:
                stream.write(f"{stamp} kernel: [{number}.000000] {dice.choice(messages)}\n")
            else:
                stream.write(f"{stamp} {dice.choice(NOISE).format(number)}\n")
