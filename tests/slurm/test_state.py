"""Words and symbols of node states, of every release."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.slurm.state import BASES, FLAGS, canonical, parse_state

CASES = {
    # full, as scontrol and sinfo's StateComplete write it
    "IDLE": ("IDLE", set()),
    "idle+drain+planned": ("IDLE", {"DRAIN", "PLANNED"}),
    "IDLE+CLOUD+POWERED_DOWN": ("IDLE", {"CLOUD", "POWERED_DOWN"}),
    "MIXED+DRAIN+REBOOT_REQUESTED": ("MIXED", {"DRAIN", "REBOOT_REQUESTED"}),
    "DOWN+NOT_RESPONDING": ("DOWN", {"NOT_RESPONDING"}),
    "DOWN+DRAIN+INVALID_REG": ("DOWN", {"DRAIN", "INVALID_REG"}),
    "FUTURE": ("FUTURE", set()),
    "UNKNOWN+NOT_RESPONDING": ("UNKNOWN", {"NOT_RESPONDING"}),
    # up to 21.08: a symbol behind the base, older words for flags
    "DOWN*": ("DOWN", {"NOT_RESPONDING"}),
    "MIXED*+CLOUD": ("MIXED", {"NOT_RESPONDING", "CLOUD"}),
    "IDLE+CLOUD+POWER": ("IDLE", {"CLOUD", "POWERED_DOWN"}),
    "IDLE+MAINT": ("IDLE", {"MAINTENANCE"}),
    "ALLOCATED#+CLOUD": ("ALLOCATED", {"POWERING_UP", "CLOUD"}),
    # sinfo's single words and their symbols
    "idle~": ("IDLE", {"POWERED_DOWN"}),
    "idle#": ("IDLE", {"POWERING_UP"}),
    "idle!": ("IDLE", {"POWER_DOWN"}),
    "idle%": ("IDLE", {"POWERING_DOWN"}),
    "idle$": ("IDLE", {"MAINTENANCE"}),
    "idle@": ("IDLE", {"REBOOT_REQUESTED"}),
    "down^": ("DOWN", {"REBOOT_ISSUED"}),
    "mixed-": ("MIXED", {"PLANNED"}),
    "allocated+": ("ALLOCATED", {"COMPLETING"}),
    "alloc": ("ALLOCATED", set()),
    "mix*": ("MIXED", {"NOT_RESPONDING"}),
    "drained": ("IDLE", {"DRAIN"}),
    "drained*": ("IDLE", {"DRAIN", "NOT_RESPONDING"}),
    "draining@": ("ALLOCATED", {"DRAIN", "REBOOT_REQUESTED"}),
    "drng": ("ALLOCATED", {"DRAIN"}),
    "failing": ("ALLOCATED", {"FAIL"}),
    "completing": ("IDLE", {"COMPLETING"}),
    "resv": ("IDLE", {"RESERVED"}),
    "planned": ("IDLE", {"PLANNED"}),
    "powering_down": ("IDLE", {"POWERING_DOWN"}),
    "inval": ("IDLE", {"INVALID_REG"}),
    "unk*": ("UNKNOWN", {"NOT_RESPONDING"}),
    # words nobody knows yet
    "HIBERNATING+DRAIN+WARM": ("HIBERNATING", {"DRAIN", "WARM"}),
}


@pytest.mark.parametrize("text", CASES)
def test_known_forms(text: str) -> None:
    state = parse_state(text)
    assert state is not None
    assert (state.base, set(state.flags)) == CASES[text]


@pytest.mark.parametrize("text", ["", " ", "+", "*"])
def test_nothing_is_no_state(text: str) -> None:
    assert parse_state(text) is None


@given(st.text())
def test_any_text_is_read_somehow(text: str) -> None:
    state = parse_state(text)
    assert state is None or state.base


@given(st.sampled_from(BASES), st.sets(st.sampled_from(FLAGS)))
def test_what_slurm_writes_is_read_back(base: str, flags: set[str]) -> None:
    state = parse_state("+".join([base, *flags]))
    assert state is not None
    assert (state.base, state.flags) == (base, frozenset(flags))


@pytest.mark.parametrize(
    "text",
    [
        "IDLE+PLANNED",
        "IDLE+CLOUD+POWERED_DOWN",
        "idle#",
        "idle%",
        "FUTURE",
        "DOWN+POWERING_UP",
        "idle+power_down",
    ],
)
def test_absent_states(text: str) -> None:
    state = parse_state(text)
    assert state is not None
    assert state.absent


@pytest.mark.parametrize("text", ["DOWN*", "IDLE+DRAIN", "IDLE+CLOUD", "MIXED+RESERVED", "IDLE+MAINT"])
def test_present_states(text: str) -> None:
    state = parse_state(text)
    assert state is not None
    assert not state.absent


def test_aliases_lead_to_known_words() -> None:
    for word in ("alloc", "boot", "comp", "drained", "futr", "maint", "mix", "plnd", "resv", "unk"):
        assert canonical(word) in {*BASES, *FLAGS}
