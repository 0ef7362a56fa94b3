"""Single values: durations, paths, addresses, variables in text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.config import values
from aami_hpc.config.fault import Fault, Unavailable
from aami_hpc.config.variables import expand

ENVIRON = {"HOME": "/home/someone", "WHO": "admin", "EMPTY": "", "BYTES": "\udcff", "TRICK": "${WHO}"}


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("500ms", 0.5), ("3s", 3), ("2m", 120), ("1h", 3600), ("1.5h", 5400), ("0.25s", 0.25), (3, 3), (2.5, 2.5), ("168h", 604800)],
)  # fmt: skip
def test_a_duration_is_seconds(written: str | float, seconds: float) -> None:
    assert values.duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "3", "3 s", "s", "-3s", "3d", "3S", "1h30m", "1e3s", "0s", "0", "169h", "3s\n", "٣s", 0, -1, float("nan"), float("inf"), 10**17],
)  # fmt: skip
def test_what_is_no_duration_is_refused(written: str | float) -> None:
    with pytest.raises(Fault):
        values.duration(written)


@given(st.integers(1, 604_800_000))
def test_a_duration_is_written_as_it_is_read(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert values.duration(values.written(seconds)) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    ("written", "path"),
    [("/a/b", "/a/b"), ("~", "/home/someone"), ("~/x", "/home/someone/x"), ("/${WHO}/x", "/admin/x"), ("${HOME}/x", "/home/someone/x")],
)  # fmt: skip
def test_a_path_is_absolute(written: str, path: str) -> None:
    assert values.path(written, ENVIRON) == Path(path)


@pytest.mark.parametrize("written", ["", "a/b", "./a", "~someone/x", "${WHO}/x", "/a\0b", "/a\nb"])
def test_any_other_path_is_refused(written: str) -> None:
    with pytest.raises(Fault):
        values.path(written, ENVIRON)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"), ("${WHO}", "admin"), ("a-${WHO}-${WHO}", "a-admin-admin"), ("$${WHO}", "${WHO}"),
        ("$WHO $ $$", "$WHO $ $$"), ("${TRICK}", "${WHO}"), ("[${EMPTY}]", "[]"), ("$$${WHO}", "$${WHO}"),
    ],
)  # fmt: skip
def test_variables_are_replaced_once(text: str, expanded: str) -> None:
    assert expand(text, ENVIRON) == expanded


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${A B}", "${WHO", "${WHO:-x}", "a ${ b"])
def test_a_malformed_variable_is_refused(text: str) -> None:
    with pytest.raises(Fault, match="without a name"):
        expand(text, ENVIRON)


def test_a_variable_that_is_not_set_or_not_text_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="NOPE, which is not set"):
        expand("${NOPE}", ENVIRON)
    with pytest.raises(Unavailable, match="BYTES, which is not UTF-8 text"):
        expand("${BYTES}", ENVIRON)


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "::1", "{name}", "{name}.example.org", "ib-{name}", "${WHO}.example.org"]
)
def test_an_address_may_hold_the_name_of_its_node(text: str) -> None:
    assert values.address(text, ENVIRON) == text.replace("${WHO}", "admin")


@pytest.mark.parametrize("text", ["{other}", "{", "{name", "{{name}}", "a b", "{name!r}", "{0}", "a\tb"])
def test_any_other_template_is_refused(text: str) -> None:
    with pytest.raises(Fault):
        values.address(text, ENVIRON)
