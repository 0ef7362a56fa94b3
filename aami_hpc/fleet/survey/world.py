"""What a survey may touch, passed in as one value: files below a root, programs, the environment, who asks."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aami_hpc.fleet.survey.tree import Tree
from aami_hpc.io.run import SystemRunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aami_hpc.io.run import Runner

PATIENCE = 3.0  # seconds that anything we ask may take to answer


@dataclass(frozen=True, slots=True)
class World:
    """Defaults are this machine and this user; a test passes a folder, a fake runner and a user id."""

    tree: Tree = field(default_factory=Tree)
    runner: Runner = field(default_factory=SystemRunner)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    uid: int = field(default_factory=os.getuid)
    architecture: str = field(default_factory=platform.machine)
    python: tuple[str, str] = field(default_factory=lambda: (platform.python_version(), sys.executable))

    def user(self, uid: int) -> str:
        """`user ann`, or `uid 990` when /etc/passwd has no name: a directory service may take its time."""
        name = self.users().get(uid)
        return f"user {name}" if name else f"uid {uid}"

    def users(self) -> Mapping[int, str]:
        """User names by id, as far as /etc/passwd knows them."""
        found: dict[int, str] = {}
        for line in self.tree.read("/etc/passwd", cut=True, limit=1024 * 1024).words.splitlines():
            fields = line.split(":")
            if len(fields) > 2 and fields[2].isdigit():  # noqa: PLR2004 - name, password, id
                found.setdefault(int(fields[2]), fields[0])
        return found
