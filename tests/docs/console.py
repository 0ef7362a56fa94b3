"""Replay the console blocks of a page: each `$ command` runs, and what it prints must match what the page shows.

In the shown output `...` stands for any text, and `[exit 1]` alone on the last line for the exit status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STATUS = re.compile(r"^\[exit (\d+)\]\n\Z", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    command: str
    shown: str
    status: int

    def matches(self, printed: str) -> bool:
        if not self.shown:
            return True
        parts = [re.escape(part) for part in _squeezed(self.shown).split("...")]
        return re.fullmatch(".*".join(parts), _squeezed(printed), re.DOTALL) is not None


def examples(page: Path) -> Iterator[Example]:
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        for chunk in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = chunk.partition("\n")
            status = _STATUS.search(shown)
            yield Example(command, _STATUS.sub("", shown), int(status.group(1)) if status else 0)


def replay(page: Path, run: Callable[[str], subprocess.CompletedProcess[str]]) -> int:
    """Run every example of the page in turn; how many there were."""
    found = list(examples(page))
    for example in found:
        done = run(example.command)
        printed = done.stdout + done.stderr
        assert done.returncode == example.status, f"$ {example.command}\n{printed}"
        assert example.matches(printed), f"$ {example.command}\n{printed}\n--- shown:\n{example.shown}"
    return len(found)


def _squeezed(text: str) -> str:
    """Column widths follow the widest value, which differs from machine to machine."""
    return "\n".join(re.sub(r"\s+", " ", line).strip() for line in text.strip().splitlines())
