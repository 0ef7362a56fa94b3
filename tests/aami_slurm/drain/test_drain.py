"""One drain's course, against a Slurm that says what the test wants: what is written, what is not, what is told."""

from __future__ import annotations

import fcntl
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_slurm import drain, slurm_nodes
from aami_slurm.slurm_nodes import Shown
from tests.aami_slurm.drain.scripted import (
    NARROW,
    NODE,
    OURS,
    Look,
    ScriptedSlurm,
    answer,
    call,
    record,
    start,
)
from tests.lab.require import unavailable
from tests.lab.waiting import until

IDLE = record(NODE)
BY_US = record(NODE, "idle+drain", OURS)
ADMIN = record(NODE, "idle+drain", "admin: do not touch")
REST = record("gpu-[003-020]")
# Two others whom the rails of NARROW allow, drained in the same second.
EARLIER = "".join(
    record(f"gpu-00{number}", "idle+drain", OURS.replace("xid79", "xid95")) for number in (0, 1)
)
LATER = EARLIER.replace("gpu-00", "gpu-10")

UPDATE = ["update", f"NodeName={NODE}"]
DRAIN = [*UPDATE, "State=DRAIN", f"Reason={OURS}"]
UNDRAIN = [*UPDATE, "State=UNDRAIN"]
slow = pytest.mark.slow


def _outcome(found: dict[str, Any]) -> tuple[Any, ...]:
    return found["outcome"], found["written"]


# -- what may be written at all


def _standing(state: str, text: str = "") -> str | None:
    shown = Shown(frozenset(state.split()), text, 0.0 if text else None, gpu=True)
    outcome, words = drain.standing(shown)
    assert bool(words) == (outcome is not None)
    return outcome


@pytest.mark.parametrize(
    ("state", "text", "outcome"),
    [
        ("IDLE", "", None),
        ("ALLOCATED COMPLETING", "", None),
        ("MIXED PLANNED CLOUD", "", None),
        ("IDLE RESERVED", "", None),  # our own verification, among others
        ("IDLE NOT_RESPONDING", "", None),
        ("IDLE", OURS, None),  # 24.11 keeps the reason of a drain that was lifted
        ("MIXED", "admin: looking at it", "hands-off"),
        ("IDLE", OURS.replace(":a:", ":p:"), "hands-off"),
        ("IDLE DRAIN", OURS, "already-ours"),
        ("ALLOCATED DRAIN", OURS.replace("#abcd2345", "#zzzzzzzz"), "already-ours"),
        ("IDLE DRAIN", OURS + " : reboot issued", "already-ours"),
        ("IDLE DRAIN", OURS.replace("gpu3", "gpu4"), "already-ours"),  # one drain serves every cause
        ("MIXED DRAIN", OURS.replace("xid79", "xid95"), "already-ours"),
        ("DOWN DRAIN", OURS.replace("gpu3", "gpu4"), "already-out"),
        ("IDLE DRAIN MAINTENANCE", OURS.replace("gpu3", "gpu4"), "hands-off"),
        ("IDLE DRAIN", OURS.replace(":a:", ":p:"), "already-out"),
        ("IDLE DRAIN", "Prolog error", "already-out"),
        ("IDLE DRAIN", "", "already-out"),
        ("DOWN", "Node unexpectedly rebooted", "already-out"),
        ("DOWN DRAIN", OURS, "already-out"),
        ("IDLE RESERVED MAINTENANCE", "", "hands-off"),
        ("IDLE DRAIN MAINTENANCE", OURS, "hands-off"),
        ("MIXED DRAIN REBOOT_REQUESTED", "Reboot ASAP", "hands-off"),
        ("IDLE REBOOT_REQUESTED", "", "hands-off"),
        ("DOWN REBOOT_ISSUED", "", "hands-off"),
        ("IDLE DRAIN INVALID_REG", "gres/gpu count reported lower", "hands-off"),
        ("IDLE FAIL", "x", "hands-off"),
        ("IDLE POWERING_DOWN", "", "hands-off"),
        ("IDLE SOMETHING_NEW", "", "hands-off"),
        ("UNKNOWN", "", "hands-off"),
        ("FUTURE", "", "hands-off"),
        ("DRAIN", OURS, "hands-off"),  # no base: not a state that any release writes
        ("IDLE DOWN", "", "hands-off"),
        ("IDLE*", "", "hands-off"),
        ("", "", "hands-off"),
    ],
)
def test_what_a_state_allows(state: str, text: str, outcome: str | None) -> None:
    """INVALID_REG is Slurm's own word for lost GPUs (soperator #1232: whoever tries to lift it goes in circles)."""
    assert _standing(state, text) == outcome


@given(
    st.sets(
        st.sampled_from(["IDLE", "MIXED", "DOWN", "DRAIN", "RESERVED", "MAINTENANCE", "X"])
        | st.text(max_size=8)
    ),
    st.sampled_from(["", OURS, "x"]) | st.text(),
)
def test_nothing_is_written_over_an_unknown_state_or_somebody_elses_reason(
    state: set[str], text: str
) -> None:
    outcome, _ = drain.standing(Shown(frozenset(state), text, 0.0, gpu=True))
    if outcome is None:
        assert state <= {"IDLE", "MIXED", "ALLOCATED"} | slurm_nodes.HARMLESS
        assert text in {"", OURS}


# -- the course


@slow
def test_drained_is_what_was_read_back(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE + REST, BY_US + REST])
    found = call(slurm.ask(conf="/etc/slurm/other.conf"))
    assert _outcome(found) == ("drained", True)
    assert (found["state_before"], found["reason_before"], found["reason"]) == (["IDLE"], "", OURS)
    assert slurm.updates == [DRAIN]
    assert slurm.looks == 2
    assert slurm.environments[0].items() >= {"SLURM_CONF": "/etc/slurm/other.conf", "TZ": "UTC0"}.items()
    assert 1.1 < found["seconds"]["total"] < 3
    assert set(found["seconds"]) == {"read", "write", "settle", "total"}


def test_without_a_configuration_slurm_looks_for_its_own(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE], update=1, said="refused")
    call(slurm.ask())
    assert "SLURM_CONF" not in slurm.environments[0]


@pytest.mark.parametrize("name", ["ALL", "gpu-[001-002]", "gpu-001,gpu-002", "-h", "", "gpu-002 State=DOWN"])
def test_what_is_no_name_of_one_node_is_not_even_asked_for(tmp_path: Path, name: str) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE])
    assert _outcome(call(slurm.ask(node=name))) == ("not-a-node", False)
    assert (slurm.looks, slurm.updates) == (0, [])


def test_a_node_that_slurm_does_not_show_is_left_alone(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE])
    assert _outcome(call(slurm.ask(node="gpu-099"))) == ("not-a-node", False)
    assert slurm.updates == []


@pytest.mark.parametrize("text", ["", "broken GPU", OURS.replace(":a:", ":p:"), OURS + "\n", OURS[:-3]])
def test_a_reason_that_the_rails_could_not_count_is_not_written(tmp_path: Path, text: str) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE])
    assert _outcome(call(slurm.ask(reason=text))) == ("unknown", False)
    assert (slurm.looks, slurm.updates) == (0, [])


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [
        (ADMIN, "already-out"),
        (record(NODE, "mixed+drain", "admin: do not touch"), "already-out"),
        (record(NODE, "idle+reserved+maintenance"), "hands-off"),
        (record(NODE, "down", "x"), "already-out"),
        (BY_US.replace("xid79", "xid95"), "already-ours"),
    ],
)
def test_a_node_that_is_out_already_is_not_touched(tmp_path: Path, shown: str, outcome: str) -> None:
    slurm = ScriptedSlurm(tmp_path, [shown + REST])
    assert _outcome(call(slurm.ask())) == (outcome, False)
    assert slurm.updates == []


def test_other_peoples_words_come_out_plain_and_short(tmp_path: Path) -> None:
    hostile = "a\n\x1b[2J\r\naami:a:xid79 x #abcd2345" + "z" * 4000
    found = call(ScriptedSlurm(tmp_path, [record(NODE, "idle+drain", hostile)]).ask())
    assert found["outcome"] == "already-out"
    for text in (found["reason_before"], found["words"]):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 300


@pytest.mark.parametrize("earlier", [EARLIER, LATER])
def test_a_full_rail_stops_the_write(tmp_path: Path, earlier: str) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE + REST + earlier])
    found = call(slurm.ask(rails=NARROW, now=1795143860))
    assert _outcome(found) == ("rail", False)
    assert found["rail"] in found["words"]
    assert "within 10 min" in found["rail"]
    assert slurm.updates == []


def test_garbage_is_not_a_free_rail(tmp_path: Path) -> None:
    for number, text in enumerate(["", "garbage", IDLE[:-12], IDLE + "x"]):
        slurm = ScriptedSlurm(tmp_path / str(number), [text])
        assert _outcome(call(slurm.ask())) == ("unknown", False)
        assert (slurm.looks, slurm.updates) == (1, [])


def test_an_answer_that_comes_too_slowly_stops_the_write_for_the_rails_sake(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [Look(IDLE, pause=0.6)])
    found = call(slurm.ask())
    assert _outcome(found) == ("unknown", False)
    assert "nothing was written" in found["words"]
    assert slurm.updates == []


def test_no_answer_ends_in_time(tmp_path: Path) -> None:
    began = time.monotonic()
    slurm = ScriptedSlurm(tmp_path, [Look(IDLE, pause=30)])
    assert _outcome(call(slurm.ask(budget_s=0.5))) == ("unknown", False)
    assert time.monotonic() - began < 2
    assert slurm.updates == []


def test_a_refused_write_is_said_in_slurms_words(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE], update=1, said="slurm_update error: Access/permission denied\n")
    found = call(slurm.ask())
    assert _outcome(found) == ("unknown", None)
    assert "Access/permission denied" in found["words"]
    assert slurm.updates == [DRAIN]


@slow
def test_a_write_that_failed_in_words_only_is_judged_by_what_stands_there(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE, BY_US], update=1, said="Socket timed out on send/recv operation")
    assert _outcome(call(slurm.ask())) == ("drained", True)
    assert slurm.updates == [DRAIN]


@slow
def test_a_write_without_an_answer_may_have_been_one_and_is_not_repeated(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE], pause=30)
    began = time.monotonic()
    assert _outcome(call(slurm.ask())) == ("unknown", None)
    assert time.monotonic() - began < 4
    assert slurm.updates == [DRAIN]


@slow
@pytest.mark.parametrize("look", [Look(BY_US, pause=30), Look("garbage"), Look(""), Look(BY_US, status=1)])
def test_a_write_that_can_not_be_read_back_is_unknown(tmp_path: Path, look: Look) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE, look])
    began = time.monotonic()
    assert _outcome(call(slurm.ask())) == ("unknown", True)
    assert time.monotonic() - began < 4
    assert slurm.updates == [DRAIN]


@slow
@pytest.mark.parametrize(
    "after",
    [
        ADMIN,
        IDLE,
        record(NODE, "idle", OURS),
        record(NODE, "down", OURS),
        record(NODE, "idle+drain", OURS + " : reboot issued"),
        REST,
    ],
)
def test_what_was_written_and_does_not_stand_there_is_nobody_elses_drain_lifted(
    tmp_path: Path, after: str
) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE, after + EARLIER])
    assert _outcome(call(slurm.ask(rails=NARROW))) == ("unknown", True)
    assert slurm.updates == [DRAIN]


@slow
def test_a_surplus_drain_is_taken_back(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE + REST, BY_US + REST + EARLIER, IDLE + REST + EARLIER])
    found = call(slurm.ask(rails=NARROW))
    assert _outcome(found) == ("surplus", True)
    assert found["rail"] in found["words"]
    assert slurm.updates == [DRAIN, UNDRAIN]


@slow
def test_those_behind_us_in_the_order_do_not_make_us_surplus(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE + REST, BY_US + REST + LATER])
    assert _outcome(call(slurm.ask(rails=NARROW))) == ("drained", True)
    assert slurm.updates == [DRAIN]


@slow
def test_a_surplus_drain_that_stays_is_unknown(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE + REST, BY_US + REST + EARLIER])
    found = call(slurm.ask(rails=NARROW))
    assert _outcome(found) == ("unknown", True)
    assert "not taken back" in found["words"]
    assert slurm.updates == [DRAIN, UNDRAIN]


@slow
@pytest.mark.parametrize("after", [ADMIN, record(NODE, "idle", OURS)])
def test_taken_back_is_taken_back_whatever_stands_there_then(tmp_path: Path, after: str) -> None:
    """An administrator may drain it the moment after, and 24.11 keeps our reason beside a state without a drain."""
    slurm = ScriptedSlurm(tmp_path, [IDLE + REST, BY_US + REST + EARLIER, after + REST + EARLIER])
    assert _outcome(call(slurm.ask(rails=NARROW))) == ("surplus", True)
    assert slurm.updates == [DRAIN, UNDRAIN]


# -- a drain of ours that stands there already


def test_our_own_drain_of_the_same_cause_is_not_written_again(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [BY_US.replace("#abcd2345", "#zzzzzzzz")])
    assert _outcome(call(slurm.ask())) == ("already-ours", False)
    assert (slurm.looks, slurm.updates) == (1, [])


def test_a_drain_that_is_known_to_have_settled_is_looked_at_once(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [BY_US + REST + EARLIER])
    assert _outcome(call(slurm.ask(rails=NARROW, settled=True))) == ("already-ours", False)
    assert (slurm.looks, slurm.updates) == (1, [])


@slow
def test_a_drain_that_may_not_have_settled_is_put_to_the_rails_again(tmp_path: Path) -> None:
    """Whoever wrote it may have been killed, or out of time, before the look back."""
    slurm = ScriptedSlurm(tmp_path / "stays", [BY_US + REST])
    assert _outcome(call(slurm.ask(rails=NARROW))) == ("already-ours", False)
    assert (slurm.looks, slurm.updates) == (2, [])
    slurm = ScriptedSlurm(tmp_path / "goes", [BY_US + REST + EARLIER] * 2 + [IDLE + REST + EARLIER])
    assert _outcome(call(slurm.ask(rails=NARROW))) == ("surplus", True)
    assert slurm.updates == [UNDRAIN]


@pytest.mark.parametrize("settled", [False, True])
def test_our_own_drain_of_another_cause_serves_this_one_and_is_no_surplus(
    tmp_path: Path, *, settled: bool
) -> None:
    """Whoever wrote it has put it to the rails, or will. Another reason is never written over it."""
    slurm = ScriptedSlurm(tmp_path, [BY_US.replace("gpu3", "gpu5") + REST + EARLIER])
    found = call(slurm.ask(rails=NARROW, settled=settled))
    assert _outcome(found) == ("already-ours", False)
    assert "gpu5" in found["words"]
    assert (slurm.looks, slurm.updates) == (1, [])


# -- one drain of a node at a time


@slow
def test_two_drains_of_one_node_go_one_after_the_other(tmp_path: Path) -> None:
    """At the same moment, both would see an idle node, and the second reason would stand where the first was read."""
    slurm = ScriptedSlurm(tmp_path, [IDLE + REST, BY_US + REST])
    path = str(tmp_path / "run" / "drain.lock")  # whose folder is made
    first = start(slurm.ask(lock=path, budget_s=10.0))
    until(lambda: slurm.looks > 0, "the first to look", timeout=10, evidence=lambda: "")
    second = call(slurm.ask(lock=path, reason=OURS.replace("gpu3", "gpu5"), budget_s=10.0))
    assert _outcome(answer(first)) == ("drained", True)
    assert _outcome(second) == ("already-ours", False)
    assert second["seconds"]["turn"] > 0.5
    assert (slurm.looks, slurm.updates) == (3, [DRAIN])


def test_a_turn_that_never_comes_is_unknown_in_time_and_nothing_is_asked(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE])
    path = tmp_path / "drain.lock"
    with path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        began = time.monotonic()
        found = call(slurm.ask(lock=str(path), budget_s=0.3))
    assert _outcome(found) == ("unknown", False)
    assert "another hook" in found["words"]
    assert 0.3 <= time.monotonic() - began < 2
    assert (slurm.looks, slurm.updates) == (0, [])


def test_a_lock_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    slurm = ScriptedSlurm(tmp_path, [IDLE])
    found = call(slurm.ask(lock=str(tmp_path / "sinfo" / "drain.lock")))
    assert _outcome(found) == ("unknown", False)
    assert "drain.lock" in found["words"]
    assert (slurm.looks, slurm.updates) == (0, [])


# -- the oldest interpreter


@slow
def test_the_whole_course_on_python_3_6(tmp_path: Path) -> None:
    python = next(iter(Path.home().glob(".pyenv/versions/3.6.*/bin/python3.6")), shutil.which("python3.6"))
    if python is None:
        unavailable("no Python 3.6: a drain can't be tried on the oldest one")
    slurm = ScriptedSlurm(tmp_path, [IDLE + REST, BY_US + REST + EARLIER, IDLE + REST + EARLIER])
    assert _outcome(call(slurm.ask(rails=NARROW), str(python))) == ("surplus", True)
    assert slurm.updates == [DRAIN, UNDRAIN]
