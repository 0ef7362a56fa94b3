"""`explain`: codes alone and together, pasted lines, unknown codes; the words and the keys."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aami_hpc.actions import explain
from aami_hpc.errors import UsageFault
from aami_hpc.render.plain import to_text
from aami_hpc.xid import catalog
from aami_xid.guide import ask, order

KEYS = [
    "kind", "code", "mnemonic", "title", "status", "severity", "affects", "meaning", "causes", "actions", "tell_user",
    "nvidia", "generations", "related", "sources", "judged",
]  # fmt: skip
LINE = "NVRM: Xid (PCI:0000:2b:00): 31, pid=1942, name=x, channel 0x00000002, intr 00000000. MMU Fault: ENGINE GRAPHICS GPC6 GPCCLIENT_T1_13 faulted @ 0x0_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ"


def titles(text: str) -> list[str]:
    """The lines that begin a panel."""
    return [line for line in text.splitlines() if line.split(" ")[0] in {"FATAL", "ERROR", "WARNING", "INFO"}]


def test_severity_first_sources_last() -> None:
    text = to_text(explain.codes("xid", ["79"]).document)
    assert text.startswith("FATAL  Xid 79: GPU has fallen off the bus\n")
    wanted = ["Meaning", "Usual causes", "Do now", "If it repeats", "Tell the user", "Sources"]
    places = [text.index(f"\n{title}\n") for title in wanted]
    assert places == sorted(places)


@pytest.mark.parametrize("kind", ["xid", "sxid"])
def test_every_panel_fits_80_columns_and_has_the_same_keys(kind: str) -> None:
    for code in catalog.codes(kind)[:: 1 if kind == "xid" else 40]:
        result = explain.codes(kind, [str(code)])
        assert max(map(len, to_text(result.document).splitlines())) <= 80
        assert list(result.data) == KEYS
        assert list(result.data["actions"]) == ["now", "if_repeats"]
        assert list(result.data["nvidia"]) == ["immediate", "investigatory"]
        assert result.yes


def test_the_data_of_one_code() -> None:
    data = explain.codes("xid", ["079"]).data
    assert (data["kind"], data["code"], data["severity"], data["affects"]) == ("xid", 79, "fatal", ["node"])
    assert data["causes"][0]["likelihood"] == "likely"
    assert data["actions"]["if_repeats"][0]["when"] == "same GPU"
    assert data["nvidia"] == {"immediate": "RESTART_BM", "investigatory": "CONTACT_SUPPORT"}
    assert {
        "code": 74,
        "order": "after",
        "why": "the peers lose their NVLinks to this GPU",
        "kind": "xid",
    } in data["related"]


def test_several_codes_are_one_story_with_its_root_first() -> None:
    result = explain.codes("", ["45", "20034", "154", "79", "74"])
    assert [one["code"] for one in result.data] == [45, 20034, 154, 79, 74]
    text = to_text(result.document)
    assert text.startswith("One story\n  root  Xid 79:")
    assert titles(text)[0].startswith("FATAL  Xid 79")
    assert "(after 79: the peers lose their NVLinks" in " ".join(text.split())
    assert text.count("\nSources\n") == 1  # the root in full, the others in brief


def test_the_memory_family_is_one_story() -> None:
    text = to_text(explain.codes("xid", ["94", "63", "48"]).document)
    assert [line.split()[2].rstrip(":") for line in titles(text)] == ["48", "63", "94"]


def test_codes_that_have_nothing_to_do_with_each_other() -> None:
    text = to_text(explain.codes("xid", ["54", "13"]).document)
    assert "One story" not in text
    assert text.count("\nSources\n") == 2


def test_the_same_code_twice_is_told_once() -> None:
    result = explain.codes("xid", ["79", "079"])
    assert len(result.data) == 1
    assert len(titles(to_text(result.document))) == 1


def test_brief_and_model() -> None:
    brief = to_text(explain.codes("xid", ["79"], brief=True).document)
    assert "Do now" in brief
    assert "Sources" not in brief
    on = to_text(explain.codes("xid", ["79"], model="NVIDIA H200 141GB HBM3e").document)
    assert "\nOn H100\n  Peers report NVLink errors (74)" in on
    assert "By generation" not in on
    with pytest.raises(UsageFault, match="T4"):
        explain.codes("xid", ["79"], model="T4")


def test_an_unknown_code_says_so_and_names_its_neighbours() -> None:
    result = explain.codes("xid", ["183"])
    assert not result.yes
    assert list(result.data) == KEYS
    assert (result.data["status"], [one["code"] for one in result.data["related"]]) == ("unknown", [182])
    assert "Xid 183 is in no catalogue" in to_text(result.document)
    assert "Look for line 154" in to_text(result.document)
    assert not explain.codes("xid", ["79", "183"]).yes
    near = explain.codes("sxid", ["20099"]).data["related"]
    assert [one["code"] for one in near] == [max(c for c in catalog.codes("sxid") if c < 20099), min(c for c in catalog.codes("sxid") if c > 20099)]  # fmt: skip


def test_a_number_of_the_other_kind_is_pointed_out() -> None:
    assert "ask for the SXid" in explain.codes("xid", ["20034"]).data["meaning"]
    assert "ask for the Xid" in explain.codes("sxid", ["79"]).data["meaning"]


@pytest.mark.parametrize("typed", ["x", "-5", "1000000000000", "", "7 9", "7.9", "²", "0x4f", "79,80"])
def test_what_is_no_code(typed: str) -> None:
    with pytest.raises(UsageFault):
        explain.codes("xid", [typed])


@pytest.mark.parametrize(
    ("typed", "code"), [("79", 79), ("Xid 79", 79), ("xid79", 79), ("SXid: 20034", 20034), ("0", 0)]
)
def test_what_is_a_code(typed: str, code: int) -> None:
    assert ask.code(typed) == code


@settings(deadline=None)
@given(st.text(max_size=12))
def test_any_text_is_a_code_or_refused(typed: str) -> None:
    try:
        found = ask.code(typed)
    except ask.NotACode:
        return
    assert 0 <= found <= ask.HIGHEST


def test_a_pasted_line_is_read_and_its_code_explained() -> None:
    result = explain.lines([LINE])
    text = to_text(result.document)
    assert text.startswith("This line\n")
    assert "null pointer" in text
    assert "x (pid 1942)" in text
    assert "\nERROR  Xid 31:" in text
    assert (result.data["code"], result.data["event"]["bus_id"]) == (31, "0000:2b:00")
    assert max(map(len, text.splitlines())) <= 80


def test_pasted_lines_are_one_story() -> None:
    lines = "\n".join(
        f"[1.0] NVRM: Xid (PCI:0000:c{number}:00): {text}"
        for number, text in enumerate(
            ("45, pid=1, name=p, Ch 00000001", "74, x", "79, GPU has fallen off the bus.")
        )
    )
    result = explain.lines([lines])
    assert [one["code"] for one in result.data] == [45, 74, 79]
    text = to_text(result.document)
    assert "Line 3" in text
    assert "root  Xid 79" in text


def test_a_plain_line_of_a_lost_gpu_is_79() -> None:
    assert explain.lines(["NVRM: GPU 0000:91:00.0: GPU has fallen off the bus."]).data["code"] == 79


def test_the_cause_that_a_line_names_is_explained_first() -> None:
    line = "NVRM: Xid (PCI:0000:dc:00): 45, pid=1, name=python3, Ch 00000001 caused by previous Xid 149"
    text = to_text(explain.lines([line]).document)
    assert "caused by  Xid 149" in text
    assert titles(text)[0].split()[2] == "149:"


@pytest.mark.parametrize(
    "line",
    [
        "hello world",
        "[1.0] usb 1-1: new device",
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  595.45.04",
        "  \n ",
    ],
)
def test_a_line_without_a_code(line: str) -> None:
    with pytest.raises(UsageFault):
        explain.lines([line])


def test_a_process_that_imitates_a_driver_is_said_to() -> None:
    with pytest.raises(UsageFault, match="No Xid") as met:
        explain.lines(
            ["[1.0] NVRM: Xid 79: x[4242]: segfault at 0 ip 00000000 sp 00000000 error 4 in a[400000+1000]"]
        )
    assert "misleading name" in met.value.cause


@settings(deadline=None)
@given(st.lists(st.sampled_from(catalog.codes("xid")[::4]), min_size=1, max_size=6, unique=True))
def test_every_story_has_each_code_once_and_does_not_depend_on_the_order_asked(codes: list[int]) -> None:
    def told(asked: list[int]) -> list[list[int]]:
        entries = [catalog.find("xid", code) for code in asked]
        stories = order.stories([entry.as_dict() for entry in entries if entry])
        return [[entry["code"] for entry, _ in story] for story in stories]

    assert sorted(code for story in told(codes) for code in story) == sorted(codes)
    assert told(codes) == told(codes[::-1])
