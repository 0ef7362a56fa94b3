"""Nodes added to and taken out of a configuration's text: every other line stays as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.config import ranges, reader
from aami_hpc.config.tree import plain
from aami_hpc.errors import ConfigError, ConfigSyntax
from aami_hpc.fleet.entries import add, remove

PATH = Path("/etc/aami-hpc/config.yaml")

CONFIG = """\
# Our cluster — Größe M
cluster: {name: lab}   # its name

nodes:
  # the racks of 2024
  gpu-[001-128]: # eight GPUs each
    gpus: 8      # all of them
    labels: {rack: r12}
  "login1":
    address: 10.0.0.1

  old:
  # end of nodes

# how to log in
ssh:
  user: root
"""

ADDED = """\
  new1:
    address: "10.0.0.9"
    gpus: 8
    labels:
      rack: r14
"""
NEW: dict[str, dict[str, Any]] = {"new1": {"address": "10.0.0.9", "gpus": 8, "labels": {"rack": "r14"}}}


def _nodes(text: str) -> Any:
    return plain(reader.parse(text, PATH)).get("nodes")


def test_add_behind_the_last_entry() -> None:
    assert add(CONFIG, PATH, NEW) == CONFIG.replace("  old:\n", f"  old:\n{ADDED}")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"nodes:\n{ADDED}"),
        ("# nothing yet\n", f"# nothing yet\nnodes:\n{ADDED}"),
        ("ssh: {user: x}", f"ssh: {{user: x}}\nnodes:\n{ADDED}"),
        ("nodes:\n", f"nodes:\n{ADDED}"),
        ("nodes:  # none\nssh: {user: x}\n", f"nodes:  # none\n{ADDED}ssh: {{user: x}}\n"),
        ("nodes: {}\nssh: {user: x}\n", f"nodes: \n{ADDED}ssh: {{user: x}}\n"),
        ("nodes: ~ # none\n", f"nodes:  # none\n{ADDED}"),
        ("nodes:\n  # later\nssh: {user: x}\n", f"nodes:\n{ADDED}  # later\nssh: {{user: x}}\n"),
    ],
)
def test_add_where_nothing_or_little_is(before: str, after: str) -> None:
    assert add(before, PATH, NEW) == after
    assert _nodes(after)["new1"] == NEW["new1"]


def test_the_files_own_indentation_is_kept() -> None:
    assert (
        add("nodes:\n    a: {gpus: 1}", PATH, {"b": {"gpus": 2}})
        == "nodes:\n    a: {gpus: 1}\n    b:\n      gpus: 2\n"
    )


def test_add_into_braces() -> None:
    assert (
        add("nodes: {a: {gpus: 1}} # x\n", PATH, {"b": {"gpus": 2}})
        == 'nodes: {a: {gpus: 1}, "b": {gpus: 2}} # x\n'
    )


def test_windows_line_ends_stay() -> None:
    text = CONFIG.replace("\n", "\r\n")
    found = add(text, PATH, NEW)
    assert found == CONFIG.replace("  old:\n", f"  old:\n{ADDED}").replace("\n", "\r\n")
    assert remove(found, PATH, {"new1"}) == text


def test_text_that_looks_like_something_else_stays_text() -> None:
    entry = {"address": "a", "labels": {"x": "no", "y": "0123", "z": "1", "w": "a: b # c", "v": '"'}}
    assert _nodes(add("", PATH, {"n1": entry}))["n1"] == entry


def test_a_whole_entry_goes_and_comments_stay() -> None:
    assert remove(CONFIG, PATH, {"login1"}) == CONFIG.replace('  "login1":\n    address: 10.0.0.1\n', "")
    assert remove(CONFIG, PATH, {"old"}) == CONFIG.replace("  old:\n", "")


def test_a_part_of_a_range_goes() -> None:
    found = remove(CONFIG, PATH, {"gpu-004", "gpu-100"})
    assert found == CONFIG.replace("gpu-[001-128]", "gpu-[001-003,005-099,101-128]")


def test_all_nodes_go() -> None:
    every = set(ranges.expand("gpu-[001-128],login1,old"))
    found = remove(CONFIG, PATH, every)
    assert not _nodes(found)
    assert "# the racks of 2024" in found


def test_a_quoted_range_stays_quoted() -> None:
    assert remove('nodes:\n  "n[1-3]": {gpus: 1}\n', PATH, {"n2"}) == 'nodes:\n  "n[1,3]": {gpus: 1}\n'


@pytest.mark.parametrize(
    ("names", "after"),
    [
        ({"a"}, "nodes: {b: {gpus: 2}, 'c[1-2]': {gpus: 3}}\n"),
        ({"b"}, "nodes: {a: {gpus: 1}, 'c[1-2]': {gpus: 3}}\n"),
        ({"c1", "c2"}, "nodes: {a: {gpus: 1}, b: {gpus: 2}}\n"),
        ({"c1"}, 'nodes: {a: {gpus: 1}, b: {gpus: 2}, "c2": {gpus: 3}}\n'),
        ({"a", "b"}, "nodes: {'c[1-2]': {gpus: 3}}\n"),
        ({"a", "b", "c1", "c2"}, "nodes: {}\n"),
    ],
)
def test_remove_between_braces(names: set[str], after: str) -> None:
    assert remove("nodes: {a: {gpus: 1}, b: {gpus: 2}, 'c[1-2]': {gpus: 3}}\n", PATH, names) == after


def test_a_text_that_can_not_be_edited_safely_is_refused() -> None:
    for text in ("nodes: &n {a: {gpus: 1}}\n", "{nodes: {a: {gpus: 1}}}"):
        assert _nodes(add(text, PATH, {"b": {"gpus": 2}})) == {"a": {"gpus": 1}, "b": {"gpus": 2}}
    with pytest.raises(ConfigError, match="by hand"):
        add("{ssh: {user: x}}\n", PATH, NEW)
    with pytest.raises(ConfigError, match="by hand"):
        remove("nodes:\n  a[1-2]: {gpus: 1}\n  a1: {gpus: 2}\n", PATH, {"a2"})


def test_a_file_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(ConfigSyntax):
        add("nodes: [", PATH, NEW)


LINES = st.lists(
    st.sampled_from(
        [
            "  n[1-4]: {gpus: 1}",
            "  n[1-4]:\n    gpus: 1  # one\n",
            "  'm[1-2]':\n    labels:\n      a: b\n\n    gpus: 2",
            "  k1:",
            "  # comment",
            "",
            "  r[1-2]n[01-02]: # racks\n    partitions:\n    - a\n    - b  # last",
            '  t: {model: "x # y"}',
        ]
    ),
    max_size=6,
    unique=True,
)


@given(LINES, st.sets(st.sampled_from(["n1", "n4", "m1", "m2", "k1", "r1n01", "r2n02", "t"])), st.booleans())
def test_add_and_remove_keep_everything_else(lines: list[str], names: set[str], tail: bool) -> None:  # noqa: FBT001
    text = "# head\nnodes:\n" + "".join(f"{line}\n" for line in lines) + ("ssh: {user: x}\n" if tail else "")
    if len([line for line in lines if "n[1-4]" in line]) > 1:
        return  # a key that comes twice is refused when it is read
    before = _nodes(text) or {}
    added = add(text, PATH, NEW)
    assert _nodes(added) == {**before, **NEW}
    found = remove(added, PATH, names | {"new1"})
    left = {name: value for key, value in (_nodes(found) or {}).items() for name in ranges.expand(key)}
    was = {name: value for key, value in before.items() for name in ranges.expand(key)}
    assert left == {name: value for name, value in was.items() if name not in names}
    comments = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in found.splitlines() if line.lstrip().startswith("#")] == comments
    assert remove(added, PATH, {"new1"}) == text
