"""Node sets: what is accepted, what never is, and that folding loses nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet
from hypothesis import given, settings
from hypothesis import strategies as st

from aami_hpc.errors import AamiError, NodeSetSyntax
from aami_hpc.fleet.nodeset import LIMIT, expand, fold, terms
from aami_hpc.model.node import is_node_name

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}[0-9]{0,4}", fullmatch=True).filter(is_node_name)
# Names as clusters have them, so that folding has something to do.
REGULAR = st.builds(
    lambda head, number, width, tail: f"{head}{number:0{width}d}{tail}",
    st.sampled_from(["gpu-", "n", "r1n", "x"]),
    st.integers(0, 120),
    st.integers(0, 4),
    st.sampled_from(["", "a", ".site", "c2"]),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("gpu1", ["gpu1"]),
        ("gpu[1-3]", ["gpu1", "gpu2", "gpu3"]),
        ("gpu[08-10]", ["gpu08", "gpu09", "gpu10"]),
        ("gpu[1-9/4]", ["gpu1", "gpu5", "gpu9"]),
        ("a,b,a", ["a", "b"]),
        ("gpu[1-4]!gpu2", ["gpu1", "gpu3", "gpu4"]),
        ("gpu[1-4]&gpu[3-9]", ["gpu3", "gpu4"]),
        ("gpu[1-3]^gpu[2-4]", ["gpu1", "gpu4"]),
        ("gpu[1-4]!gpu[1-2],gpu1", ["gpu3", "gpu4", "gpu1"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("gpu[1,3]-ib", ["gpu1-ib", "gpu3-ib"]),
        ("gpu-1.site", ["gpu-1.site"]),
        ("[1-2]", ["1", "2"]),
    ],
)
def test_expressions(text: str, names: list[str]) -> None:
    assert list(expand(text)) == names


REFUSED = {
    "": "empty",
    "  ": "empty",
    "\t": "empty",
    "ALL": "every node there is",
    "all": "every node there is",
    "gpu1,All": "every node there is",
    "*": "Patterns",
    "gpu*": "Patterns",
    "gpu?": "Patterns",
    "@*": "Patterns",
    "@gpu": "@SOURCE:NAME",
    "@partition:*": "Patterns",
    "NodeName=gpu1": "KEY=",
    "nodename=ALL": "KEY=",
    "-x": "option",
    "--all": "option",
    "gpu1,-x": "option",
    "gpu1 gpu2": "space",
    " gpu1": "space",
    "gpu1\n": "space",
    "gpu1\u00a0": "space",
    "gpu1\x00": "can't be seen",
    "gpu\u202e1": "can't be seen",
    "gpu1,,gpu2": "missing",
    "gpu1,": "missing",
    "!gpu1": "missing",
    "gpu[1-2": "neither",
    "gpu]": "neither",
    "gpu[]": "neither",
    "gpu[a-b]": "neither",
    "gpu[-1]": "neither",
    "gpu[\u0661-\u0663]": "neither",
    "gpu/1": "neither",
    "gpu;reboot": "neither",
    "$(reboot)": "neither",
    "gpu1|gpu2": "neither",
    "g\u00e9pu1": "neither",
    "_gpu1": "neither",
    ".gpu": "neither",
    "@rack:": "neither",
    "@:r12": "neither",
    "@rack:-x": "neither",
    "gpu@rack:r12": "neither",
    "gpu[3-1]": "backwards",
    "gpu[1-3/0]": "steps of nothing",
    "gpu[01-3]": "padding",
    "gpu[1-999999999]": "more than",
    "gpu[1-1000]n[1-1000]": "more than",
    "gpu[1-150000],cpu[1-150000]": "more than",
    "gpu[1-99999999999999999999]": "neither",
    "gpu[" + "1," * 100_000 + "1]": "characters",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:30])
def test_what_is_no_node_set(text: str) -> None:
    with pytest.raises(NodeSetSyntax) as caught:
        expand(text)
    assert REFUSED[text] in str(caught.value)


def test_a_group_is_no_name() -> None:
    with pytest.raises(NodeSetSyntax, match="is a group"):
        expand("@rack:r12")


def test_a_large_range_is_refused_before_anything_is_made_of_it() -> None:
    begun = time.process_time()
    long = ("n[1-99999]," * 1000, "n," * 99_000 + "[", "n[1-9]" * 30_000, "[" * 199_999, "n[" + "1," * 99_000)
    for text in ("n[0-999999999999999]", "n[1-99999]" * 20, *long):
        with pytest.raises(NodeSetSyntax):
            terms(text)
    assert time.process_time() - begun < 5  # minutes, if it were expanded or scanned twice
    assert len(expand(f"n[1-{LIMIT}]")) == LIMIT


@given(st.lists(NAMES | REGULAR, max_size=40))
def test_fold_and_expand_are_inverse(names: list[str]) -> None:
    folded = fold(names)
    if not names:
        assert folded == ""
        return
    assert sorted(expand(folded)) == sorted(set(names))
    assert fold(expand(folded)) == folded


@given(st.lists(REGULAR, max_size=12), st.text(alphabet=",!&^", min_size=11, max_size=11))
@settings(deadline=None)
def test_the_algebra_is_clustershells(names: list[str], operators: str) -> None:
    text = "".join(
        f"{name}{operator}" for name, operator in zip(names, [*operators, ""], strict=False)
    ).rstrip(",!&^")
    if not text:
        return
    assert set(expand(text)) == set(map(str, NodeSet(text, resolver=RESOLVER_NOGROUP)))


@given(st.text() | st.text(alphabet="gpu1[]-,!&^@:/ALl*\n =", max_size=30))
def test_any_text_gives_names_or_an_error_of_ours(text: str) -> None:
    try:
        found = expand(text)
    except AamiError:
        return
    assert all(is_node_name(name) or name.lower() in {"all", "default"} for name in found)


@pytest.mark.parametrize("name", ["a b", "a,b", "a[1]", "ALL", "", "-x", "a\n"])
def test_fold_takes_names_only(name: str) -> None:
    with pytest.raises(NodeSetSyntax):
        fold([name])


def test_folding_is_quick_for_large_clusters() -> None:
    racks = [f"r{rack}n{node}" for rack in range(100) for node in range(100)]
    begun = time.process_time()
    assert fold(racks) == "r[0-99]n[0-99]"
    assert fold(f"gpu-{number:05d}" for number in range(10_000)) == "gpu-[00000-09999]"
    assert time.process_time() - begun < 5  # minutes, if it were expanded or scanned twice


def test_clustershells_own_groups_are_never_read() -> None:
    code = """
import os, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from aami_hpc.fleet.nodeset import expand, fold
expand("n[1-4]!n2"), fold(["n1", "n2"])
print([path for path in opened if "groups" in os.path.basename(path) and "clustershell" in path])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_sites_clustershell_settings_do_not_change_what_is_printed(tmp_path: Path) -> None:
    (tmp_path / "defaults.conf").write_text("[nodeset]\nfold_axis: -1\n")
    code = "from aami_hpc.fleet.nodeset import fold; print(fold(f'r{r}n{n}' for r in (1, 2) for n in (1, 2)))"
    environ = {"CLUSTERSHELL_CFGDIR": str(tmp_path), "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout == "r[1-2]n[1-2]\n"
