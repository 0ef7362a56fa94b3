"""The verdict on a driver that does not answer: each condition by itself, and any sequence of looks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_slurm import hang
from aami_slurm.hang import DRIVER_HUNG, LONG, PROBE_STUCK, Look, judge, note

NEVER: dict[str, Any] = {"answered": None, "unanswered": [], "busy": None}
ONCE: dict[str, Any] = {"answered": 100.0, "unanswered": [], "busy": None}


def _stuck(spawned: float) -> dict[str, Any]:
    return {"pid": 4242, "started": 77, "spawned": spawned, "killed": spawned + 36}


def _after(history: dict[str, Any], *looks: Look) -> hang.Verdict:
    for look in looks:
        history = note(history, look)
    return judge(history, looks[-1])


def _silent(now: float, **more: Any) -> Look:
    return Look(now, unanswered=True, **{"control": True, **more})


def test_stuck_for_a_minute_with_the_control_answered_is_a_hung_driver() -> None:
    told = _after(ONCE, _silent(236, stuck=_stuck(200)), _silent(260, stuck=_stuck(200)))
    assert (told.verdict, told.since) == (DRIVER_HUNG, 200)
    assert (
        told.words
        == "no answer for 60 s: process 4242 survived SIGKILL, while library and program can be read"
    )


def test_two_looks_a_minute_apart_are_as_good() -> None:
    looks = [_silent(236), _silent(296, stuck=_stuck(295.9))]
    assert _after(ONCE, *looks).verdict == DRIVER_HUNG
    assert _after(ONCE, looks[0], _silent(295.9, stuck=_stuck(295))).verdict == PROBE_STUCK


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"stuck": None}, "the probe could be ended"),
        ({"control": False}, "the control probe, which leaves the device alone, did not end either"),
        ({"busy": "dcgmi diag is running (process 7)"}, "dcgmi diag is running (process 7)"),
        ({"now": 259.0}, "that is less than 60 s"),
    ],
)
def test_without_any_one_of_the_conditions_it_is_a_stuck_probe(changed: dict[str, Any], words: str) -> None:
    last = {"now": 300.0, "stuck": _stuck(200), **changed}
    told = _after(ONCE, _silent(236, stuck=_stuck(200)), _silent(last.pop("now"), **last))
    assert told.verdict == PROBE_STUCK or changed.keys() == {"busy"}
    assert words in told.words


def test_never_before_the_first_answer_after_boot() -> None:
    told = _after(NEVER, _silent(236, stuck=_stuck(200)), _silent(900, stuck=_stuck(200)))
    assert told.verdict == PROBE_STUCK
    assert told.words == "no answer for 700 s; no hung driver: the driver has not answered since boot"


@pytest.mark.parametrize("history", [NEVER, ONCE])
def test_one_answer_that_was_cut_short_is_neither(history: dict[str, Any]) -> None:
    assert _after(history, _silent(236)).verdict is None
    assert _after(history, _silent(236), Look(300, answered=True)).verdict is None


def test_a_cold_start_that_can_not_be_ended_at_once_is_neither() -> None:
    assert _after(NEVER, _silent(36, stuck=_stuck(0.5))).verdict is None


def test_a_probe_that_survived_sigkill_is_stuck_at_the_first_look() -> None:
    assert _after(ONCE, _silent(236, stuck=_stuck(200))).verdict == PROBE_STUCK


def test_late_again_and_again_without_a_survivor_is_a_stuck_probe() -> None:
    told = _after(ONCE, _silent(236), _silent(300))
    assert (told.verdict, told.since) == (PROBE_STUCK, 236)


@pytest.mark.parametrize("between", [Look(290, answered=True), Look(290)])
def test_an_answer_between_begins_anew(between: Look) -> None:
    assert _after(ONCE, _silent(236), between, _silent(300, stuck=_stuck(299))).verdict == PROBE_STUCK


def test_what_was_silent_while_the_driver_was_busy_does_not_count() -> None:
    during = _silent(236, stuck=_stuck(200), busy="nvidia-smi --gpu-reset")
    assert _after(ONCE, during, _silent(270, stuck=_stuck(200))).verdict == PROBE_STUCK
    told = _after(ONCE, during, _silent(296, stuck=_stuck(200)))
    assert (told.verdict, told.since) == (DRIVER_HUNG, 236)


def test_the_history_stays_short() -> None:
    history = ONCE
    for now in range(200, 20000, 60):
        history = note(history, _silent(float(now)))
    assert len(history["unanswered"]) == hang.KEPT
    assert history["unanswered"][0] == 200
    assert history["unanswered"][-1] == 19940


@st.composite
def _sequences(draw: st.DrawFn) -> list[Look]:
    """Looks as they can follow each other: what is stuck stays so until it is gone, and no other is started meanwhile."""
    looks, now, stuck = [], 150.0, None
    for _ in range(draw(st.integers(1, 12))):
        now += draw(st.floats(1.0, 400.0))
        kind = draw(st.sampled_from(["answered", "failed", "late", "stuck", "stays"]))
        if kind == "stays" and stuck is None:
            kind = "stuck"
        if kind == "stuck":
            stuck = _stuck(now - draw(st.floats(0.0, 36.0)))
        elif kind != "stays":
            stuck = None
        looks.append(
            Look(
                now,
                answered=kind == "answered",
                unanswered=kind in {"late", "stuck", "stays"},
                stuck=stuck,
                control=draw(st.booleans()),
                busy=draw(st.sampled_from([None, None, None, "reset"])),
            )
        )
    return looks


@given(_sequences(), st.sampled_from([NEVER, ONCE]))
def test_any_sequence_of_looks_is_judged_by_the_rule(looks: list[Look], history: dict[str, Any]) -> None:
    """The rule itself, written down a second time, over the whole past instead of a short history."""
    start = history
    for look in looks:
        history = note(history, look)
    told, last = judge(history, looks[-1]), looks[-1]
    if not last.unanswered:
        assert told.verdict is None
        return
    past = [look for look in looks if look.unanswered and not look.busy]
    breaks = [look.now for look in looks if not look.unanswered or look.busy]
    begin = max(breaks, default=0.0)
    since = [look.now for look in past if look.now > begin]
    explained = max(
        [look.now for look in looks if look.busy or look.answered], default=start["answered"] or 0.0
    )
    stuck_for = 0.0 if last.stuck is None else last.now - max(last.stuck["spawned"], explained)
    apart = since[-1] - since[0] if since else 0.0
    long = stuck_for >= LONG or apart >= LONG
    answered = start["answered"] is not None or any(look.answered for look in looks)
    hung = long and last.stuck is not None and last.control and answered and not last.busy
    assert (told.verdict == DRIVER_HUNG) == hung
    if not hung and long:
        assert told.verdict == PROBE_STUCK
    if not long and last.stuck is None:
        assert told.verdict is None
    assert told.since is not None
    assert told.since <= last.now


@given(_sequences())
def test_a_driver_that_never_answered_in_this_boot_is_never_hung(looks: list[Look]) -> None:
    history = NEVER
    for look in looks:
        look.answered = False
        history = note(history, look)
        assert judge(history, look).verdict != DRIVER_HUNG


@given(_sequences())
def test_what_can_be_ended_is_never_a_hung_driver(looks: list[Look]) -> None:
    history = ONCE
    for look in looks:
        look.stuck = None
        history = note(history, look)
        assert judge(history, look).verdict != DRIVER_HUNG
