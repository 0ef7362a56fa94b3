"""A control group for each node.

Without one, all nodes' systemds would share the same groups and wait for each other's services to stop. And a
group holds whatever was started inside, also when the systemd-nspawn above it was killed: so its end is the end
of everything in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.ledger import Ledger

_HIERARCHIES = tuple(Path("/sys/fs/cgroup") / name for name in ("", "unified", "systemd"))
_ENTER = 'until [ "$1" = -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"'
_REMOVE = """
[ -d "$1" ] || exit 0
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    find "$1" -depth -type d -delete && exit 0
    find "$1" -name cgroup.procs -exec cat {} + | grep -vx 0 | xargs --no-run-if-empty kill -9
    sleep 0.2
done
"""


class Cgroups:
    """Makes groups at the top of each hierarchy that systemd uses, and removes them when all is over."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._roots = [root for root in _HIERARCHIES if (root / "cgroup.procs").exists()]

    def make(self, name: str) -> None:
        for root in self._roots:
            self._ledger.undo("sh", "-c", _REMOVE, "sh", root / name)
            (root / name).mkdir()

    def enter(self, name: str, argv: Sequence[str | Path]) -> list[str]:
        """The argument list that starts a program inside the group."""
        folders = [str(root / name) for root in self._roots]
        return ["sh", "-e", "-c", _ENTER, "sh", *folders, "--", *map(str, argv)]
