"""A root folder for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fleet_survey.support import Root

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.bare(tmp_path / "root")
