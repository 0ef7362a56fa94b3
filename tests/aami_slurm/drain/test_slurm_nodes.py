"""Slurm's answer about its nodes: read to the letter, whatever stands in it, or not at all."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aami_slurm import slurm_nodes
from aami_slurm.slurm_nodes import Shown, Unreadable
from tests.aami_slurm.drain import scene
from tests.aami_slurm.drain.scripted import Look, ScriptedSlurm, record
from tests.slurm.scene import FORGED_REASON

if TYPE_CHECKING:
    from pathlib import Path

RELEASES = sorted(path.stem for path in scene.DATA.glob("*.txt"))
DRAWN = "<drawn>"


def _recorded(release: str) -> str:
    return (scene.DATA / f"{release}.txt").read_bytes().decode()


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_is_read_alike(release: str) -> None:
    scene.check(slurm_nodes.parse(_recorded(release), DRAWN))


def test_there_is_an_answer_of_each_release_of_the_lab() -> None:
    assert RELEASES == ["22.05", "24.11", "26.05"]


@pytest.mark.parametrize("release", RELEASES)
def test_an_answer_that_was_cut_is_none_or_a_shorter_one(release: str) -> None:
    """Where a record ends nobody can see that there were more: sinfo's status tells that."""
    whole = _recorded(release)
    nodes = slurm_nodes.parse(whole, DRAWN)
    for length in range(len(whole)):
        try:
            found = slurm_nodes.parse(whole[:length], DRAWN)
        except Unreadable:
            continue
        assert found.items() <= nodes.items()
        assert whole[length - len(DRAWN) : length].endswith(DRAWN) or whole[length - 1] == "\n"


PLAIN = {
    "n1": Shown(frozenset({"IDLE"}), "", None, gpu=True),
    "n2": Shown(frozenset({"IDLE", "DRAIN"}), "x", 0.0, gpu=False),
}
_PIECES = st.sampled_from(
    [
        "\n",
        "\r\n",
        "n1",
        "<drawn",
        "drawn>",
        "<5eed>",
        "idle",
        "Unknown",
        "none",
        "2026-01-01T00:00:00",
        ",",
        " ",
    ]
)
TEXT = st.lists(_PIECES | st.text(max_size=12), max_size=8).map("".join)


@given(reason=TEXT, other=TEXT, second=st.integers(0, 2**32))
@example(reason=FORGED_REASON, other="none", second=1795182156)
@settings(max_examples=300, deadline=None)
def test_a_reason_is_read_to_the_letter_and_changes_nothing_else(
    reason: str, other: str, second: int
) -> None:
    stamp = datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    separator = "<0123456789abcdef>"
    text = (
        record("n1", "idle+drain", reason or "none", stamp).replace(DRAWN, separator)
        + record("n[2-3],m1", "mixed", other or "none", stamp, gres="(null)").replace(DRAWN, separator)
    )  # fmt: skip
    found = slurm_nodes.parse(text, separator)
    assert found["n1"] == Shown(frozenset({"IDLE", "DRAIN"}), reason or "none", float(second), gpu=True)
    alike = Shown(frozenset({"MIXED"}), other or "none", float(second), gpu=False)
    assert found == {"n1": found["n1"], "n2": alike, "n3": alike, "m1": alike}


@given(st.text(max_size=200) | TEXT)
@example("")
@example("\n")
@example("Unable to contact slurm controller")
def test_what_is_no_answer_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        slurm_nodes.parse(text, "<0123456789abcdef>")


@given(st.lists(st.sampled_from([DRAWN, "\n", "n1", "idle", "gpu:1", "Unknown", "none", "n[1-", "2026"])))
def test_pieces_of_an_answer_are_an_answer_or_unreadable(pieces: list[str]) -> None:
    try:
        found = slurm_nodes.parse("".join(pieces), DRAWN)
    except Unreadable:
        return
    assert found


@pytest.mark.parametrize(
    "stamp",
    ["yesterday", "2026-11-20", "2026-13-20T03:04:05", "13:47:33", "2026-11-20T03:04:05Z", "1795182156"],
)
def test_a_time_in_another_form_is_unreadable(stamp: str) -> None:
    with pytest.raises(Unreadable):
        slurm_nodes.parse(record("n1", "idle+drain", "x", stamp), DRAWN)


def test_a_node_in_two_records_that_agree_is_one_and_else_unreadable() -> None:
    first, other = record("n1", "idle"), record("n[1-2]", "idle")
    assert set(slurm_nodes.parse(first + other, DRAWN)) == {"n1", "n2"}
    with pytest.raises(Unreadable, match="n1"):
        slurm_nodes.parse(first + record("n1", "down", "x"), DRAWN)


def test_no_reason_and_the_reason_none_are_told_apart() -> None:
    found = slurm_nodes.parse(record("n1") + record("n2", "down", "none"), DRAWN)
    assert (found["n1"].reason, found["n1"].since) == ("", None)
    assert (found["n2"].reason, found["n2"].since) == ("none", 1795143845.0)


@pytest.mark.parametrize(
    ("gres", "gpu"),
    [
        ("gpu:h100:8", True),
        ("gpu:8(S:0,1),shard:16", True),
        ("shard:8,gpu:a100_3g.20gb:2", True),
        ("gpu", True),
        ("(null)", False),
        ("", False),
        ("mygpu:2", False),
        ("nic:gpu:2", False),
        ("gpu:0", False),
        ("gpu:h100:0", False),
    ],
)
def test_gpu_nodes_are_those_whose_gres_has_gpus(gres: str, *, gpu: bool) -> None:
    assert slurm_nodes.parse(record("n1", gres=gres), DRAWN)["n1"].gpu is gpu


def test_only_nodes_that_are_out_count_as_out_by_us() -> None:
    """24.11 leaves the reason of a lifted drain on the node until a job starts there."""
    lifted = record("n1", "idle", scene.OURS) + record("n2", "mixed+not_responding", scene.OURS)
    lifted += record("n0", "down", scene.OURS)  # and there it still is when the node goes down by itself
    out = record("n3", "idle+drain", scene.OURS) + record("n4", "down", scene.OURS + " : reboot issued")
    others = record("n5", "idle+drain", scene.OURS.replace(":a:", ":p:")) + record("n6", "idle+drain", "x")
    found = slurm_nodes.out_by_us(slurm_nodes.parse(lifted + out + others, DRAWN))
    assert [name for name, _, _ in found] == ["n3", "n4"]


def test_out_by_us_is_in_the_order_of_time_then_name() -> None:
    text = "".join(
        record(name, "idle+drain", scene.OURS, f"2026-11-20T03:04:{second:02d}", gres="(null)")
        for name, second in (("n3", 7), ("n1", 9), ("n2", 7))
    )
    found = slurm_nodes.out_by_us(slurm_nodes.parse(text, DRAWN))
    assert [(name, since - 1795143840) for name, _, since in found] == [("n2", 7), ("n3", 7), ("n1", 9)]


def test_a_drain_of_ours_without_a_time_can_not_be_counted() -> None:
    with pytest.raises(Unreadable, match="no time"):
        slurm_nodes.out_by_us(slurm_nodes.parse(record("n1", "idle+drain", scene.OURS, "Unknown"), DRAWN))


@pytest.mark.parametrize(
    ("folded", "names"),
    [
        ("n1", ["n1"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("gpu[098-101,7],login1", ["gpu098", "gpu099", "gpu100", "gpu101", "gpu7", "login1"]),
        ("a[1-2]b[3-4]-ib", ["a1b3-ib", "a1b4-ib", "a2b3-ib", "a2b4-ib"]),
        (
            "x1000c0s[0-1,3]b[0,2]",
            ["x1000c0s0b0", "x1000c0s0b2", "x1000c0s1b0", "x1000c0s1b2", "x1000c0s3b0"],
        ),
    ],
)
def test_lists_are_unfolded(folded: str, names: list[str]) -> None:
    assert list(slurm_nodes.unfold(folded))[: len(names)] == names


@pytest.mark.parametrize(
    "folded",
    [
        *("", ",", "n1,", "n[", "n]", "n[1-3", "n[1-3]]", "n[[1-3]]", "n[3-1]", "n[1-]", "n[-1]", "n[a-b]"),
        *("n[]", "n[1,]", "ALL", "n1,all", "-x", "n 1", "n\n1", "n[0-99999999]", "n[1-1000][1-1000]"),
        *("n1\x00", "n\u00e4h", "n[\u0661-\u0663]"),
    ],
)
def test_broken_lists_are_unreadable(folded: str) -> None:
    with pytest.raises(Unreadable):
        slurm_nodes.parse(record(folded), DRAWN)


@pytest.mark.parametrize(
    "name",
    [
        "ALL",
        "all",
        "All",
        "DEFAULT",
        "",
        "n[1-2]",
        "n1,n2",
        "-n",
        ".n",
        "n 1",
        "n\n",
        "n*",
        "n;id",
        "n=1",
        "n" * 254,
    ],
)
def test_what_means_more_or_less_than_one_node_is_no_name(name: str) -> None:
    assert not slurm_nodes.is_literal(name)


@pytest.mark.parametrize("name", ["n1", "gpu-001", "gpu_1", "a.b.c", "1", "n" * 253, "allgpu"])
def test_names(name: str) -> None:
    assert slurm_nodes.is_literal(name)


def test_the_separator_is_another_one_each_time_and_starts_with_no_digit() -> None:
    drawn = {slurm_nodes.draw_separator() for _ in range(100)}
    assert len(drawn) == 100
    assert all(len(text) == 18 and text[0] == "<" and not set(text) & set(",:%") for text in drawn)


def test_a_question_with_an_answer(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [record("n1")])
    found = slurm_nodes.look(slurm.ask()["sinfo"], None, time.monotonic() + 10)
    assert set(found) == {"n1"}


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (Look("", status=0), "no known form"),
        (Look(record("n1"), status=1), "status 1"),
        (Look(record("n1") + "sinfo: error: x\x1b[2J", status=0), "no known form"),
        (Look(record("n1"), pause=9), "in time"),
    ],
)
def test_no_answer_is_unreadable_and_never_an_empty_cluster(tmp_path: Path, look: Look, words: str) -> None:
    """An empty state must not pass for a good one (mej/nhc #134: an administrator's drain was overwritten so)."""
    slurm = ScriptedSlurm(tmp_path, [look])
    with pytest.raises(Unreadable, match=words):
        slurm_nodes.look(slurm.ask()["sinfo"], None, time.monotonic() + 1)


def test_sinfo_that_is_gone_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="No such file"):
        slurm_nodes.look("/nonexistent/sinfo", None, time.monotonic() + 1)


def test_what_slurm_says_is_told_in_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "sinfo"
    path.write_text("#!/bin/sh\nprintf 'a\\nb\\033[2Jc\\377' >&2\nexit 1\n")
    path.chmod(0o755)
    with pytest.raises(Unreadable) as caught:
        slurm_nodes.look(str(path), None, time.monotonic() + 5)
    assert str(caught.value) == f"{path}: status 1: a b?[2Jc\\xff"


def test_the_environment_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINFO_FORMAT", "%N")
    monkeypatch.setenv("SLURM_CLUSTERS", "other")
    assert set(slurm_nodes.environment(None)) == {"PATH", "LC_ALL", "TZ"}
    assert slurm_nodes.environment("/etc/slurm/slurm.conf")["SLURM_CONF"] == "/etc/slurm/slurm.conf"


@pytest.mark.slow
def test_ten_thousand_nodes_are_read_in_a_moment() -> None:
    text = record("gpu[00001-10000]") + "".join(
        record(f"cpu{number}", "idle+drain", "x", gres="(null)") for number in range(500)
    )
    began = os.times()
    found = slurm_nodes.parse(text, DRAWN)
    ended = os.times()
    assert (len(found), slurm_nodes.gpu_nodes(found)) == (10500, 10000)
    assert ended.user - began.user < 1


def test_it_loads_little() -> None:
    """A drain has three seconds. What `time.strptime` loads is needed for a reason's time only."""
    import subprocess

    from tests.aami_slurm.drain.scripted import _PATH

    code = f"import sys; sys.path[:0]={_PATH!r}; import aami_slurm.drain; print(*sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True, check=True).stdout
    assert not {"re", "json", "subprocess", "logging", "typing", "socket", "threading"} & set(out.split())
