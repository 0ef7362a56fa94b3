"""Node ranges as Slurm writes them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.config import ranges
from aami_hpc.config.fault import Fault


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("gpu-1", ["gpu-1"]),
        ("gpu-[1-3]", ["gpu-1", "gpu-2", "gpu-3"]),
        ("gpu-[001-002,140]", ["gpu-001", "gpu-002", "gpu-140"]),
        ("gpu-[08-11]", ["gpu-08", "gpu-09", "gpu-10", "gpu-11"]),
        ("gpu-[98-101]", ["gpu-98", "gpu-99", "gpu-100", "gpu-101"]),
        ("gpu-[098-101]", ["gpu-098", "gpu-099", "gpu-100", "gpu-101"]),
        ("r[1-2]n[1-2]-ib", ["r1n1-ib", "r1n2-ib", "r2n1-ib", "r2n2-ib"]),
        ("bgq[0-1][0-1]", ["bgq00", "bgq01", "bgq10", "bgq11"]),
        ("a,b[1,3],c", ["a", "b1", "b3", "c"]),
        ("gpu-[2,1-3]", ["gpu-2", "gpu-1", "gpu-3"]),
        ("node.example.org", ["node.example.org"]),
        ("[1-2]", ["1", "2"]),
    ],
)  # fmt: skip
def test_a_range_stands_for_its_names(text: str, names: list[str]) -> None:
    assert list(ranges.expand(text)) == names


@pytest.mark.parametrize(
    "text",
    [
        "", ",", "a,", ",a", "a,,b", "gpu-[1-2", "gpu-1-2]", "gpu-[]", "gpu-[1-]", "gpu-[-2]", "gpu-[1,,2]", "gpu-[a-b]",
        "gpu-[1-4/2]", "gpu-[1..4]", "gpu-*", "gpu-?", "gpu 1", " gpu-1", "gpu-1\n", "-gpu", ".gpu", "gpu-[[1-2]]",
        "@rack:r1", "gpu-1!gpu-2", "$(true)", "gpu;1", "ALL", "all", "gpu-[9-1]", "gpu-[1-100001]",
        "a[1-999]b[1-999]", "gpu-[1-9999999999999999999]", "gpu-\u0661",
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(Fault):
        ranges.expand(text)


@given(st.text(alphabet="ab-[],0129. ", max_size=40))
def test_a_checked_range_has_the_size_it_was_checked_for(text: str) -> None:
    try:
        ranges.check(text)
    except Fault:
        return
    found = list(ranges.names(text))
    assert len(found) == ranges.size(text)
    assert all(name and not set(name) & set("[], ") for name in found)


@pytest.mark.parametrize(
    "text", ["a" * 200_000 + "!", "a," * 200_000, "[" * 200_000, "a[1]" * 50_000 + "!", "a[1," * 90_000]
)
def test_no_text_takes_long_to_refuse(text: str) -> None:
    began = time.process_time()
    with pytest.raises(Fault):
        ranges.check(text)
    assert time.process_time() - began < 5
