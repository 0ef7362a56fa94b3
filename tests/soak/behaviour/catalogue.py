"""All experiments, in the order in which they are tried and shown."""

from __future__ import annotations

import re

from tests.soak.behaviour import beside, configless, draining, failing, probing, rebooting, telling, timing
from tests.soak.behaviour.experiment import EXPERIMENTS

MODULES = (
    failing,
    draining,
    timing,
    rebooting,
    telling,
    probing,
    configless,
    beside,
)  # to import one enters what is in it


def _order(name: str) -> tuple[str, int, str]:
    letter, number, rest = re.fullmatch(r"([A-Z])(\d+)([a-z]?)", name).groups()  # type: ignore[union-attr]
    return letter, int(number), rest


NAMES = tuple(sorted(EXPERIMENTS, key=_order))
