"""Fixtures of the tests of the configuration."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from aami_hpc.config.examine import examine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    AsNobody = Callable[[Path], AbstractContextManager[None]]

_NOBODY = 65534


@pytest.fixture
def as_nobody() -> AsNobody:
    """Act as an ordinary user for a while, with a way to the folder given. Root is not refused anything."""
    examine(environ={})  # while we are root: a clone below /root is closed to everybody else
    if os.geteuid() != 0:
        pytest.skip("only root can become the user who may not read this user's files")

    @contextlib.contextmanager
    def acting(folder: Path) -> Iterator[None]:
        for parent in (folder, *folder.parents):
            if "pytest" in str(parent):
                parent.chmod(parent.stat().st_mode | 0o055)
        os.setegid(_NOBODY)
        os.seteuid(_NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    return acting
