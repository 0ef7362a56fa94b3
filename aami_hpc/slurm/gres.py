"""GPUs in Slurm's GRES notation: `gpu:h100:8(S:0-1)`, `gpu:4`, `gpu:a100_3g.20gb:2,shard:16`, `(null)`."""

from __future__ import annotations

import re

_BRACKETS = re.compile(r"\([^)]*\)")  # sockets, indices
_COUNT = re.compile(r"(\d{1,9})([KkMm]?)")
_UNITS = {"": 1, "K": 1024, "M": 1024 * 1024}


def gpus(gres: str) -> tuple[int, str]:
    """How many GPUs, and their models, joined by a comma. Shards and MPS are shares of GPUs, not GPUs."""
    total, models = 0, []
    for part in _BRACKETS.sub("", gres).split(","):
        name, *rest = part.strip().split(":")
        if name != "gpu":
            continue
        count = _COUNT.fullmatch(rest[-1]) if rest else None
        total += int(count[1]) * _UNITS[count[2].upper()] if count else 1
        models += [word for word in (rest[:-1] if count else rest) if word != "no_consume"]
    return total, ",".join(dict.fromkeys(models))
