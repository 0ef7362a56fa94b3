"""What happens when this machine can't run a part of the lab: a skip that says why, or a failure where nothing may be skipped."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.lab.ledger import LabUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRED = "AAMI_LAB_REQUIRED"  # set to 1 on machines that must run everything
PREFIX = "lab: "


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where the lab is required."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{PREFIX}{reason} ({REQUIRED}=1 allows no skip)", pytrace=False)
    pytest.skip(PREFIX + reason)


@contextlib.contextmanager
def lab() -> Iterator[None]:
    """Turn a LabUnavailable inside into that skip."""
    try:
        yield
    except LabUnavailable as error:
        unavailable(str(error))
