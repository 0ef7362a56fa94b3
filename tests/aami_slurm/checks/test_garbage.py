"""Whatever stands in a fact, no check raises, and what is not a value is not a fault."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aami_slurm import checks
from aami_slurm.finding import Finding
from tests.aami_slurm.checks.worlds import event, healthy

if TYPE_CHECKING:
    from aami_slurm.facts import Facts

FACTS = (
    "inventory",
    "gpus",
    "kernel",
    "pci",
    "hang",
    "mounts",
    "disks",
    "services",
    "clock_sync",
    "infiniband",
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
KINDS: list[Any] = [
    None,
    True,
    -1,
    0xFFFFFFFF,
    10**30,
    1.5,
    float("nan"),
    "x",
    "",
    [],
    {},
    [None],
    [{}],
    {"a": {}},
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything in a document: all its leaves and branches."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in _places(one, (*path, key)))]


def _facts(phase: str) -> Facts:
    facts = healthy(phase)
    facts.kernel = [event(1, "NVRM: Xid (PCI:0000:c3:00): 79, GPU has fallen off the bus.")]
    if phase != "health":
        assert facts.gpus is not None
        facts.job_gpus = frozenset(row["uuid"] for row in facts.gpus["gpus"])
    return facts


def _put(value: Any, place: tuple[Any, ...], junk: Any) -> Any:
    if not place:
        return junk
    value = copy.copy(value)
    value[place[0]] = _put(value[place[0]], place[1:], junk)
    return value


@pytest.mark.slow
@pytest.mark.parametrize("name", checks.TABLE)
def test_each_value_of_a_fact_may_be_anything(name: str) -> None:
    """Every place once, with every kind of value: of rows that are alike the first two and the last."""
    module = checks.load(name)
    for fact in sorted({*module.NEEDS, "inventory"}):
        facts = _facts(module.PHASES[0])
        value = getattr(facts, fact)
        for place in _places(value):
            if not {key for key in place if isinstance(key, int)} & set(range(2, 7)):
                for junk in KINDS:
                    setattr(facts, fact, _put(value, place, junk))
                    assert all(
                        isinstance(one, Finding) for one in module.check(facts, module.DEFAULTS["limits"])
                    )


@pytest.mark.parametrize("name", checks.TABLE)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_value_in_a_fact_makes_a_check_raise(name: str, data: st.DataObject) -> None:
    module = checks.load(name)
    facts = _facts(data.draw(st.sampled_from(module.PHASES)))
    for _ in range(data.draw(st.integers(1, 3))):
        fact = data.draw(st.sampled_from(sorted({*module.NEEDS, "inventory"})))
        value = getattr(facts, fact)
        place = data.draw(st.sampled_from(_places(value)))
        setattr(facts, fact, _put(value, place, data.draw(JUNK)))
    for finding in module.check(facts, copy.deepcopy(module.DEFAULTS["limits"])):
        assert isinstance(finding, Finding)
        finding.to_dict()


@pytest.mark.parametrize("name", checks.TABLE)
@settings(max_examples=25, deadline=None)
@given(junk=JUNK)
def test_a_fact_that_is_garbage_as_a_whole_is_no_fault(name: str, junk: Any) -> None:
    module = checks.load(name)
    for need in module.NEEDS:
        facts = _facts("health" if "health" in module.PHASES else "epilog")
        setattr(facts, need, junk)
        assert "fail" not in {one.outcome for one in module.check(facts, module.DEFAULTS["limits"])}


@pytest.mark.parametrize("name", [name for name in checks.TABLE if checks.load(name).DEFAULTS["limits"]])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_limit_makes_a_check_raise(name: str, data: st.DataObject) -> None:
    module = checks.load(name)
    limits = dict(module.DEFAULTS["limits"])
    limits[data.draw(st.sampled_from(sorted(limits)))] = data.draw(JUNK)
    for finding in module.check(_facts(module.PHASES[-1]), limits):
        assert isinstance(finding, Finding)


def test_the_facts_that_are_played_with_are_all_there_are() -> None:
    assert {need for name in checks.TABLE for need in checks.load(name).NEEDS} <= set(FACTS)
