"""Ranges of nodes: the same answers as ClusterShell and Slurm, and nothing is ever expanded."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.fleet.nodeset import fold
from aami_slurm.nodes import BadRange, matches

WORDS = st.sampled_from(["gpu", "a", "n", "node-", "x.y", "b_"])


@st.composite
def spans(draw: st.DrawFn) -> str:
    """A span as every tool reads it: both ends written with the same width, or the first one without padding."""
    first = draw(st.integers(0, 120))
    last = first + draw(st.integers(0, 12))
    width = draw(st.sampled_from([1, 1, 2, 3, 4]))
    low, high = f"{first:0{width}d}", f"{last:0{width}d}"
    if low[0] == "0" and len(low) != len(high):
        high = low  # tools differ about a padded number that outgrows its width
    return low if draw(st.booleans()) else f"{low}-{high}"


@st.composite
def terms(draw: st.DrawFn) -> str:
    term = draw(WORDS)
    for _ in range(draw(st.integers(0, 2))):
        term += "[" + ",".join(draw(st.lists(spans(), min_size=1, max_size=3))) + "]" + draw(WORDS)
    return term if draw(st.booleans()) else term.rstrip("abcdefghijklmnopqrstuvwxyz_.-") or "z"


def near(name: str) -> Iterator[str]:
    """The name and what might be taken for it."""
    yield from (name, name + "0", name + "x", "0" + name, name[:-1], name.upper(), name.replace("0", "", 1))
    for place, char in enumerate(name):
        if char.isdigit():
            yield name[:place] + str((int(char) + 1) % 10) + name[place + 1 :]
            yield name[:place] + "0" + name[place:]


@given(st.lists(terms(), min_size=1, max_size=3))
def test_it_has_the_nodes_that_clustershell_has(parts: list[str]) -> None:
    expression = ",".join(parts)
    names = {str(name) for name in NodeSet(expression, resolver=RESOLVER_NOGROUP)}
    for candidate in sorted({one for name in list(names)[:20] for one in near(name)} | names):
        assert matches(expression, candidate) == (candidate in names), (expression, candidate)


@given(st.sets(st.from_regex(r"[a-c]{1,2}(0|00)?[1-9]?[0-9](-ib|b[1-3])?", fullmatch=True), min_size=1))
def test_it_reads_whatever_the_head_node_folds(names: set[str]) -> None:
    expression = fold(sorted(names))
    assert all(matches(expression, name) for name in names)
    assert not any(matches(expression, one) for name in names for one in near(name) if one not in names)


SLURM = [
    "gpu[1-10]", "gpu[08-11]", "gpu[8-011]", "g[098-101]", "g[99-0101]", "g[0-1]", "g[00-1]", "g[9-10]", "g[09-9]",
    "a[1-2]b[3-4]", "g[1-2][3-4]", "g[1-12][3-14]", "g[1-2][3]x[001-002]", "g[01-010]", "g[1-3,2]", "n[0001,5-7]",
    "[1-3]", "g[099-101]", "g[998-1001]", "g[0998-1001]", "a1,a01", " a , b", "gpu[001-004,070],login1,a[1-2]b[3-4]",
]  # fmt: skip


@pytest.mark.parametrize("expression", SLURM)
def test_it_has_the_nodes_that_slurm_has(expression: str, tmp_path: Path) -> None:
    scontrol = shutil.which("scontrol")
    if scontrol is None:
        pytest.skip("Slurm's own commands are not installed")
    conf = tmp_path / "slurm.conf"
    conf.write_text("ClusterName=c\nSlurmctldHost=localhost\nNodeName=n1\nPartitionName=p Nodes=n1\n")
    done = subprocess.run(
        [scontrol, "show", "hostnames", expression],
        capture_output=True, text=True, check=True, env={**os.environ, "SLURM_CONF": str(conf)},
    )  # fmt: skip
    names = set(done.stdout.split())
    for candidate in {one for name in names for one in near(name)} | names:
        assert matches(expression, candidate) == (candidate in names), candidate


def test_a_number_has_the_width_of_its_span() -> None:
    assert matches("gpu[1-10]", "gpu7")
    assert not matches("gpu[1-10]", "gpu07")
    assert matches("gpu[001-064]", "gpu007")
    assert not matches("gpu[001-064]", "gpu7")
    assert not matches("gpu[001-064]", "gpu0007")


def test_text_may_follow_a_bracket() -> None:
    assert matches("node[1-4]-ib,x[1-2]5", "node3-ib")
    assert matches("node[1-4]-ib,x[1-2]5", "x25")
    assert not matches("node[1-4]-ib,x[1-2]5", "node3")


@pytest.mark.parametrize(
    "expression",
    [
        "", " ", ",", "a,", "a,,b", "gpu[", "gpu[1-2", "gpu]", "gpu[]", "gpu[1,]", "gpu[,1]", "gpu[1-]", "gpu[-1]",
        "gpu[1-2-3]", "gpu[5-3]", "gpu[a]", "gpu[1-4/2]", "gpu[1-2]]", "gpu[[1-2]]", "gpu*", "gpu?", "-gpu", "a b",
        "a;b", "a\nb", "@gpu", "a!b", "NodeName=a", "ALL", "all", "a,ALL", "DEFAULT", "gpu[1-²]", "gpü1", "gpu[\u0661]",
        "gpu[1-9999999999999999]", "gpu[ 1-2]", "gpu[1_0]", "a,gpu[1", "[", "]", "gpu[1][", "_a", ".",
    ],
)  # fmt: skip
def test_a_broken_range_is_told_whichever_node_asks(expression: str) -> None:
    for name in ("a", "gpu1", ""):
        with pytest.raises(BadRange):
            matches(expression, name)


def test_what_is_no_text_is_no_range() -> None:
    values: list[Any] = [None, 5, [], {"a": 1}]
    for value in values:
        with pytest.raises(BadRange):
            matches(value, "a")


@given(st.text(max_size=30), st.text(max_size=10))
def test_any_text_is_answered_or_refused(expression: str, name: str) -> None:
    with contextlib.suppress(BadRange):
        assert matches(expression, name) in (True, False)


def test_a_range_of_any_size_costs_nothing() -> None:
    began = time.perf_counter()
    expression = "g[1-999999999]x[000000000000001-999999999999999],h[0-999999999999999]"
    assert matches(expression, "g999999999x000000000000001")
    assert matches(expression, "h999999999999999")
    assert not matches(expression, "g1000000000x000000000000001")
    assert not matches(expression, "h" + "9" * 300)
    assert not matches("[1-9][1-9][1-9][1-9][1-9][1-9][1-9][1-9][1-9]x", "1" * 250)
    assert time.perf_counter() - began < 1
