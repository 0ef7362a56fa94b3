"""GPUs out of GRES."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.slurm.gres import gpus


@pytest.mark.parametrize(
    ("gres", "count", "model"),
    [
        ("", 0, ""),
        ("(null)", 0, ""),
        ("gpu", 1, ""),
        ("gpu:8", 8, ""),
        ("gpu:h100", 1, "h100"),
        ("gpu:h100:8", 8, "h100"),
        ("gpu:h100:8(S:0-1)", 8, "h100"),
        ("gpu:8(S:0,2)", 8, ""),
        ("gpu:a100_3g.20gb:2", 2, "a100_3g.20gb"),
        ("gpu:h100:4,gpu:a100:4", 8, "h100,a100"),
        ("gpu:h100:4(S:0),gpu:h100:4(S:1)", 8, "h100"),
        ("gpu:1080:2", 2, "1080"),
        ("gpu:tesla:no_consume:2", 2, "tesla"),
        ("gpu:h200:8,shard:h200:64,mps:800", 8, "h200"),
        ("license:4,gpumem:80G,gpu:b200:4", 4, "b200"),
        ("gpu:h100:1K", 1024, "h100"),
    ],
)
def test_forms(gres: str, count: int, model: str) -> None:
    assert gpus(gres) == (count, model)


@given(st.text(alphabet="gpu:,()KS0123456789-_ h"))
def test_garbage_is_no_error(text: str) -> None:
    count, _ = gpus(text)
    assert count >= 0
