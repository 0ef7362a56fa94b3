"""Our output is found in any noise, in pieces of any size, within a limit."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.io.ssh.frames import NOISE_LIMIT, Frames

MARK = b"aami-0123456789abcdef"
# Noise and output are hostile: they may hold beginnings of the mark, never all of it.
PIECES = st.lists(
    st.sampled_from([b"aami-", b"aami-0123456789abcde", b":begin\n", b"\n", b"x", b"\0\xff", b":"])
)
OUTPUT = PIECES.map(b"".join).filter(lambda data: MARK not in data)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(
    noise=OUTPUT, body=OUTPUT, after=OUTPUT, status=st.integers(0, 255), places=st.lists(st.integers(0, 500))
)
def test_the_body_comes_out_whole(
    noise: bytes, body: bytes, after: bytes, status: int, places: list[int]
) -> None:
    frames = Frames(MARK, 10_000)
    for piece in cut(noise + MARK + b":begin\n" + body + MARK + b":end %d\n" % status + after, places):
        frames.feed(piece)
    frames.close()
    assert (bytes(frames.noise), bytes(frames.body), frames.status) == (noise, body, status)
    assert frames.ended
    assert not frames.truncated


@given(noise=OUTPUT, body=OUTPUT, places=st.lists(st.integers(0, 500)))
def test_an_output_that_breaks_off_is_kept(noise: bytes, body: bytes, places: list[int]) -> None:
    frames = Frames(MARK, 10_000)
    for piece in cut(noise + MARK + b":begin\n" + body, places):
        frames.feed(piece)
    frames.close()
    assert (bytes(frames.body), frames.status, frames.began) == (body, None, True)


@given(size=st.integers(0, 200), limit=st.integers(0, 100), step=st.integers(1, 50))
def test_no_more_than_the_limit_is_kept_and_the_end_is_still_seen(size: int, limit: int, step: int) -> None:
    frames = Frames(MARK, limit)
    data = MARK + b":begin\n" + b"x" * size + MARK + b":end 0\n"
    for start in range(0, len(data), step):
        frames.feed(data[start : start + step])
    assert len(frames.body) == min(size, limit)
    assert frames.truncated == (size > limit)
    assert frames.status == 0


def test_noise_without_end_is_bounded() -> None:
    frames = Frames(MARK, 100)
    for _ in range(1000):
        frames.feed(b"welcome " * 100)
    assert len(frames.noise) == NOISE_LIMIT
    assert not frames.began


def test_a_torn_mark_is_not_held_back_for_ever() -> None:
    frames = Frames(MARK, 100)
    frames.feed(MARK + b":" + b"x" * 50)
    frames.close()
    assert not frames.began
    assert not frames.ended
