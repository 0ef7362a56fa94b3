"""The catalogue as shipped: every file loads, no code is missing, and the codes operators meet are told in full."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from aami_hpc.xid import catalog
from aami_hpc.xid.entry import Sxid, Xid
from aami_xid import weights
from aami_xid.decode import nvswitch
from aami_xid.guide import panel
from aami_xid.guide.words import ACTIONS, AFFECTS, MODELS, SEVERITIES, STATUSES

if TYPE_CHECKING:
    from aami_hpc.xid.entry import Entry

SXIDS = 400
MET_BY_OPERATORS = (
    8, 13, 31, 32, 38, 43, 45, 46, 48, 61, 62, 63, 64, 69, 74, 79, 92, 94, 95, 109, 110, 119, 120, 121, 122, 123, 125,
    136, 137, 140, 143, *range(144, 152), 154, 155, 156, 158, 160, 161, 163, 171, 172,
)  # fmt: skip


@cache
def everything() -> tuple[Entry, ...]:
    return (*catalog.everything("xid"), *catalog.everything("sxid"))


def xids() -> list[Xid]:
    return [entry for entry in everything() if isinstance(entry, Xid)]


def test_every_file_loads_and_none_is_of_another_name() -> None:
    folder = catalog.folder("xid").parent
    strange = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".yaml"]
    assert strange == []
    assert everything()


def test_no_xid_is_missing() -> None:
    assert [entry.code for entry in xids()] == list(range(1, 183))
    assert catalog.codes("xid") == tuple(range(1, 183))


def test_no_sxid_is_missing_or_told_twice() -> None:
    codes = [entry.code for entry in everything() if isinstance(entry, Sxid)]
    assert len(set(codes)) == len(codes) == SXIDS
    assert catalog.codes("sxid") == tuple(codes)
    assert min(codes) >= 10000


def test_related_codes_exist_and_are_others() -> None:
    known = {entry.code for entry in everything()}
    wrong = [
        (entry.code, one.code)
        for entry in everything()
        for one in entry.related
        if one.code not in known or one.code == entry.code
    ]
    assert wrong == []


def test_related_codes_stand_there_once() -> None:
    twice = [
        entry.code for entry in everything() if len({one.code for one in entry.related}) < len(entry.related)
    ]
    assert twice == []


def test_what_is_judged_are_keys() -> None:
    wrong = [
        (entry.code, name) for entry in everything() for name in entry.judged if not _is_key(entry, name)
    ]
    assert wrong == []


def _is_key(entry: Entry, name: str) -> bool:
    """`causes.likelihood` is a key of the items of a list."""
    value: object = entry.as_dict()
    for part in name.split("."):
        if isinstance(value, list) and value and not part.isdigit():
            value = value[0]
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def test_causes_come_by_likelihood() -> None:
    order = ["likely", "possible", "rare"]
    ranks = {entry.code: [order.index(cause.likelihood) for cause in entry.causes] for entry in everything()}
    assert [code for code, found in ranks.items() if found != sorted(found)] == []


def test_nothing_that_people_read_is_empty() -> None:
    for entry in everything():
        assert entry.causes, entry.code
        assert entry.actions.now, entry.code
        assert entry.sources, entry.code
        assert entry.affects, entry.code


@pytest.mark.parametrize("code", MET_BY_OPERATORS)
def test_codes_that_operators_meet_are_told_in_full(code: int) -> None:
    entry = catalog.xid(code)
    assert entry is not None
    assert len(entry.meaning.split()) >= 25
    assert set(entry.actions.if_repeats) == {"same_gpu", "same_job", "fleet"}
    assert entry.evidence
    assert entry.tell_user
    assert entry.related
    assert entry.words
    assert entry.example is not None
    assert len(entry.example.story.split()) >= 8


def test_the_grammar_knows_the_same_codes_and_gives_the_same_severity() -> None:
    """Two tables: the nodes' own, and the catalogue."""
    assert [entry.code for entry in xids() if weights.of_code(entry.code).severity != entry.severity] == []
    assert {weights.of_code(entry.code).family for entry in xids()}.isdisjoint({"unknown"})


def test_the_grammar_and_the_catalogue_tell_the_same_reach_of_a_switch_error() -> None:
    told = {entry.code: entry.scope for entry in everything() if isinstance(entry, Sxid)}
    assert {code: nvswitch.scope(code) for code in told} == told
    assert nvswitch.scope(10000) == nvswitch.scope(99999) == "unknown"


def test_every_short_word_has_plain_words() -> None:
    for entry in everything():
        found = entry.as_dict()
        assert found["action"] in ACTIONS
        assert set(found["affects"]) <= set(AFFECTS)
        assert found["status"] in STATUSES
        assert found["severity"] in SEVERITIES
        assert set(found["generations"]) <= set(MODELS.values())
        assert panel.sections(found)


def test_one_code_costs_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    original = catalog._parsed

    def counted(path: object, text: str) -> object:
        parsed.append(path)
        return original(path, text)  # type: ignore[arg-type] # a path, as it came

    monkeypatch.setattr(catalog, "_parsed", counted)
    assert catalog.find("xid", 79) is not None
    assert catalog.find("sxid", 20034) is not None
    assert len(parsed) == 2
    assert catalog.find("xid", 183) is None
    assert catalog.find("sxid", 1) is None
    assert len(parsed) == 2
