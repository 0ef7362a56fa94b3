"""slurm.conf with lines changed: everything else stays as it was, whatever the file looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.fleet.survey.tree import Tree
from aami_hpc.hooks.doctor.conf_text import whole, with_lines

if TYPE_CHECKING:
    from pathlib import Path

CONF = "/etc/slurm/slurm.conf"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "etc/slurm/d").mkdir(parents=True)
    return Tree(tmp_path)


def write(tree: Tree, path: str, text: str) -> None:
    (tree.root / path.lstrip("/")).write_text(text, encoding="utf-8")


def test_includes_stand_in_their_places(tree: Tree) -> None:
    write(tree, CONF, "A=1\n  Include d/nodes.conf # ours\ninclude /etc/slurm/hooks.%c\nZ=9\n")
    write(tree, "/etc/slurm/d/nodes.conf", "NodeName=n1\nInclude more.conf\n")
    write(tree, "/etc/slurm/d/more.conf", "B=2\n")
    write(tree, "/etc/slurm/hooks.alps", "Prolog=/x\n")
    assert whole(tree, CONF, "alps").words == "A=1\nNodeName=n1\nB=2\nProlog=/x\nZ=9\n"


def test_what_can_not_be_read_is_named(tree: Tree) -> None:
    assert whole(tree, CONF).why == f"{CONF}: not there"
    write(tree, CONF, "include gone.conf\n")
    assert whole(tree, CONF).why == "/etc/slurm/gone.conf: not there"
    write(tree, CONF, "include slurm.conf\n")
    assert "include each other" in whole(tree, CONF).why


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Prolog=/x\nA=1\n", "A=1\n"),
        ("prolog = /x\nA=1\n", "A=1\n"),
        ("A=1 Prolog=/x B=2\n", "A=1 B=2\n"),
        ('A="1 2" Prolog="/x y"\n', 'A="1 2"\n'),
        ("#Prolog=/x\nA=1 # Prolog=/y\n", "#Prolog=/x\nA=1 # Prolog=/y\n"),
        ("Prolog=/x \\\n  A=1\n", "   A=1\n"),
        ("PrologFlags=Alloc\nPrologSlurmctld=/x\n", "PrologFlags=Alloc\nPrologSlurmctld=/x\n"),
        ("NodeName=n1 Prolog=/x\n", "NodeName=n1 Prolog=/x\n"),
        ("Prolog=\nA=1\n", "A=1\n"),
        ("Prolog=/x --no\nA=1\n", " --no\nA=1\n"),
    ],
)
def test_a_key_goes_and_the_rest_stays(text: str, left: str) -> None:
    assert with_lines(text, ["Prolog"], ["Prolog=/new"]) == f"{left}Prolog=/new\n"


_KEYS = st.sampled_from(["Prolog", "Epilog", "PrologFlags", "ClusterName", "MessageTimeout"])
_VALUES = st.from_regex(r"[A-Za-z0-9/_.,*-]{1,12}", fullmatch=True)


@given(st.lists(st.tuples(_KEYS, _VALUES), max_size=8), st.sets(_KEYS))
def test_no_other_key_is_lost_and_none_of_these_stays(pairs: list[tuple[str, str]], gone: set[str]) -> None:
    text = "".join(f"{key}={value}\n" for key, value in pairs)
    kept = "".join(f"{key}={value}\n" for key, value in pairs if key not in gone)
    assert with_lines(text, gone, ["Q=1"]) == f"{kept}Q=1\n"
