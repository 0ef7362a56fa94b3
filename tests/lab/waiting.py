"""Wait for something to become true, with a deadline and with evidence when it does not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from tests.lab.ledger import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_POLL = 0.1


def until(reached: Callable[[], T], what: str, *, timeout: float, evidence: Callable[[], str]) -> T:
    """The first true answer of `reached`, or a LabError that shows the evidence."""
    deadline = time.monotonic() + timeout
    while True:
        answer = reached()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout:g} s for {what}:\n{evidence()}")
        time.sleep(_POLL)
