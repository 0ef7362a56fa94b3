"""How long a command takes to start, against a bare interpreter."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import Measured, in_turns, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUNS = 21
BARE = [sys.executable, "-c", "pass"]
COMMAND = str(Path(sys.executable).with_name("aami-hpc"))
RANGES = "".join(
    f"  gpu{rack:02d}-[001-100]: {{gpus: 8, model: H100, address: '{{name}}.cluster', labels: {{rack: r{rack:02d}}}}}\n"
    for rack in range(100)
)


def measure() -> Iterator[Measured]:
    yield _against_bare("`aami-hpc --help`", ["--help"], 5, {})
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(f"nodes:\n{RANGES}", encoding="utf-8")
        yield _against_bare(
            "`config check`, 10,000 nodes as ranges", ["config", "check"], 15, {"AAMI_CONFIG": str(config)}
        )


def _against_bare(name: str, arguments: Sequence[str], limit: float, extra: dict[str, str]) -> Measured:
    env = {**os.environ, **extra}
    ours, bare = in_turns(lambda: seconds([COMMAND, *arguments], env), lambda: seconds(BARE, env), RUNS)
    return Measured(
        name, ours / bare, limit, f"{ours * 1000:.0f} ms", f"python3 -c pass, {bare * 1000:.0f} ms", RUNS
    )
