"""Whatever stands in a file, there is an answer or one of our errors."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aami_hpc.config import load
from aami_hpc.errors import ConfigError
from tests.config.test_shape import KEYS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

odd = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
yaml_like = st.lists(
    st.sampled_from(
        ["ssh", "nodes", "gpu-[1-4]", ":", ": ", "\n", "  ", "\t", "- ", "[", "]", "{", "}", "'", '"', "|", ">", "&a ", "*a",
         "!file ", "!!map ", "---\n", "...\n", "%YAML 1.1\n", "# x", ",", "? ", "<<", "user", "1", "true", "~", "${X}", "${", "\\",
         "é", "\u2028", "\x85", "\r", "@", "`"],
    ),
    max_size=25,
).map("".join)  # fmt: skip
data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(KEYS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("robust") / "config.yaml"


def check(path: Path, content: bytes) -> None:
    """Load it; whatever but a ConfigError comes up fails the test by itself."""
    path.write_bytes(content)
    told = str(path)
    try:
        load(path, environ={"X": "x"})
    except ConfigError as error:
        told = error.message
    assert str(path) in told


@odd
@given(content=st.binary(max_size=60))
def test_arbitrary_bytes(path: Path, content: bytes) -> None:
    check(path, content)


@odd
@given(text=yaml_like)
def test_pieces_of_yaml(path: Path, text: str) -> None:
    check(path, text.encode())


@odd
@given(value=data)
def test_any_data(path: Path, value: Any) -> None:
    check(path, yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ValueError):
        check(path, json.dumps(value).encode())


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 500_000, b"{a: " * 200_000, b"- " * 500_000, b"a: " * 500_000, b"? " * 300_000, b"&a " * 300_000,
        b"a:\n" + b"".join(b" " * depth + b"a:\n" for depth in range(2000)), b"'" * 1_000_001, b"\0" * 100_000,
        b"".join(b"k%d: v\n" % number for number in range(100_000)), b"a: [" + b"1," * 400_000 + b"]", b"nodes: {" + b"a," * 150_000 + b"}",
        b"ssh: {user: " + b"x" * 3_000_000 + b"}", b"groups: {r: {" + b",".join(b"g%d: a" % n for n in range(50_000)) + b"}}",
    ],
    ids=range(14),
)  # fmt: skip
def test_large_and_deep_files_end(path: Path, content: bytes) -> None:
    with contextlib.suppress(ConfigError):
        path.write_bytes(content)
        load(path, environ={})
