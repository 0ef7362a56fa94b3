"""Reasons: what is written is read back, what others wrote is not, and Slurm's commands take it literally."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aami_slurm.reason import LIMIT, SHOWN, WHO, Reason, event_id, make, parse

TEXTS = st.text(max_size=400) | st.text(string.printable, max_size=400)
CODES = st.text(max_size=60) | st.from_regex(r"[a-z]{1,12}(-[a-z0-9]{1,9}){0,3}", fullmatch=True)
GPUS = st.none() | st.integers(0, 999)
SEQS = st.integers(0, 2**63)
SUFFIXES = ["reboot issued", "reboot complete", "reboot requested", "reboot timed out", "Powered down"]
SAFE = frozenset(string.ascii_letters + string.digits + " .,:+-_/()#")
MADE = "aami:a:xid79:gpu5 GPU has fallen off the bus #icbdywii"


def of(code: str, gpu: int | None = None, words: str = "words") -> str:
    return make("a", code, gpu, words, "gpu-001", "boot", 7)


def read(text: str) -> Reason:
    found = parse(text)
    assert found is not None, text
    return found


def parts(found: Reason) -> tuple[str, str, int | None, str, str]:
    return found.who, found.code, found.gpu, found.words, found.id


def test_a_reason_as_people_see_it() -> None:
    text = of("xid79", 5, "GPU has fallen off the bus")
    assert text == MADE.replace("icbdywii", event_id("gpu-001", "boot", 7))
    assert parts(read(text)) == (
        "a",
        "xid79",
        5,
        "GPU has fallen off the bus",
        event_id("gpu-001", "boot", 7),
    )


@given(st.sampled_from(WHO), CODES, GPUS, TEXTS, st.tuples(TEXTS, TEXTS, SEQS))
def test_whatever_it_is_made_of_it_is_one_safe_line_that_is_read_back(
    who: str, code: str, gpu: int | None, words: str, event: tuple[str, str, int]
) -> None:
    node, boot_id, seq = event
    text = make(who, code, gpu, words, node, boot_id, seq)
    assert len(text) <= LIMIT
    assert set(text) <= SAFE
    found = read(text)
    assert (found.who, found.gpu, found.id) == (who, gpu, event_id(node, boot_id, seq))
    suffix = "" if gpu is None else f":gpu{gpu}"
    assert text.startswith(f"aami:{who}:{found.code}{suffix} ")
    assert text.index(" ") <= SHOWN, "who, code and GPU stand in what sinfo -R shows"
    assert f"{text.partition(' ')[0]} {found.words} #{found.id}" == text


@given(st.sampled_from(WHO), CODES, GPUS, TEXTS, st.lists(st.sampled_from(SUFFIXES), max_size=3))
def test_what_slurm_appends_takes_nothing_away(
    who: str, code: str, gpu: int | None, words: str, appended: list[str]
) -> None:
    text = make(who, code, gpu, words, "n", "b", 7)
    assert parts(read("".join([text, *(" : " + one for one in appended)]))) == parts(read(text))


@given(CODES, GPUS, TEXTS, st.integers(0, LIMIT), st.characters() | st.sampled_from("\n\t \"'\\=#[]"))
def test_a_changed_character_is_another_reason_or_none(
    code: str, gpu: int | None, words: str, place: int, char: str
) -> None:
    text = of(code, gpu, words)
    place %= len(text)
    assume(text[place] != char)
    changed = text[:place] + char + text[place + 1 :]
    found = parse(changed)
    if found is not None:
        suffix = "" if found.gpu is None else f":gpu{found.gpu}"
        assert changed == f"aami:{found.who}:{found.code}{suffix} {found.words} #{found.id}"
        assert set(changed) <= SAFE


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "aami", "aami:", "aami:a", "aami:a:", "aami:a:xid79", "aami:a:xid79 words", "aami:a:xid79 words #",
        "aami:a:xid79 words #icbdywi", "aami:a:xid79 words #icbdywiii", "aami:a:xid79 words #ICBDYWII",
        "aami:a:xid79 words #icbdyw01", "aami:a:xid79  words #icbdywii", "aami:a:xid79 words  #icbdywii",
        " aami:a:xid79 words #icbdywii", "aami:a:xid79 words #icbdywii ", "aami:a:xid79 words #icbdywii\n",
        "aami:a:xid79 words\n#icbdywii", "aami:a:xid79 #icbdywii", "aami:a: words #icbdywii", "aami::xid79 words #icbdywii",
        "aami:x:xid79 words #icbdywii", "aami:A:xid79 words #icbdywii", "AAMI:a:xid79 words #icbdywii",
        "aami:aa:xid79 words #icbdywii", "xaami:a:xid79 words #icbdywii", "aami:a:XID79 words #icbdywii",
        "aami:a:xid_79 words #icbdywii", "aami:a:-xid79 words #icbdywii", "aami:a:xid--79 words #icbdywii",
        "aami:a:xid79: words #icbdywii", "aami:a:xid79:gpu words #icbdywii", "aami:a:xid79:gpu05 words #icbdywii",
        "aami:a:xid79:gpu-5 words #icbdywii", "aami:a:xid79:gpu5x words #icbdywii", "aami:a:xid79:GPU5 words #icbdywii",
        "aami:a:xid79:gpu1000 words #icbdywii", "aami:a:xid79:gpu\u0665 words #icbdywii", "aami:a:xid79:cpu5 words #icbdywii",
        "aami:a:xid79:gpu5:gpu6 words #icbdywii", "aami:a:fourteen-chars words #icbdywii",
        "aami:a:nine-char:gpu5 words #icbdywii", "aami:a:xid79 w=1 #icbdywii", 'aami:a:xid79 "w" #icbdywii',
        "aami:a:xid79 w\\ #icbdywii", "aami:a:xid79 wörds #icbdywii", "aami:a:xid79 w\x1b[31m #icbdywii",
        "aami:a:xid79 one #icbdywii #icbdywii", "aami:a:xid79 words #icbdywii : left down by Bob",
        "aami:a:xid79 words #icbdywii: reboot issued", "aami:a:xid79 words #icbdywii : reboot issued ",
        "aami:a:xid79 words #icbdywii : reboot  issued", "aami:a:xid79 words #icbdywii : Reboot issued",
        "aami:a:xid79 words #icbdywii reboot issued", "aami:a:xid79 words #icbdywii : ", "aami:a:xid79 words #icbdywii : : ",
        "aami:a:xid79 words : reboot issued", "Not responding", "Prolog error", "NHC: aami:a:xid79 words #icbdywii",
        "aami:a:xid79 " + "w" * 178 + " #icbdywii", "aami:a:xid79 " + "w " * 10**6 + "#icbdywii",
        MADE + " [root@2026-11-20T03:04:05]", MADE * 2,
    ],
)  # fmt: skip
def test_what_others_wrote_is_not_ours(text: str) -> None:
    assert parse(text) is None


def test_the_near_misses_miss_by_what_they_are_meant_to() -> None:
    assert parse("aami:a:xid79 words #icbdywii") is not None
    assert parse("aami:a:thirteen-char words #icbdywii") is not None
    assert parse("aami:a:xid79:gpu999 words #icbdywii") is not None
    assert parse("aami:a:xid79 " + "w" * 177 + " #icbdywii") is not None


@pytest.mark.parametrize(
    ("code", "gpu", "shown"),
    [
        ("xid79", 5, "aami:a:xid79:gpu5"),
        ("driver-hung", None, "aami:a:driver-hung"),
        ("recovery-action", 3, "aami:a:rec-acti:gpu3"),
        ("row-remap-failure", 3, "aami:a:ro-re-fa:gpu3"),
        ("row-remap-pending", 3, "aami:a:ro-re-pe:gpu3"),
        ("leftover-processes", 15, "aami:a:lef-pro:gpu15"),
        ("sxid20034", 0, "aami:a:sxi20034:gpu0"),
        ("xid1234567890123", 0, "aami:a:x1234567:gpu0"),
        ("Site Check_3!", None, "aami:a:site-check-3"),
        ("", None, "aami:a:fault"),
        ("---", 1, "aami:a:fault:gpu1"),
    ],
)
def test_a_long_code_loses_letters_and_never_the_gpu(code: str, gpu: int | None, shown: str) -> None:
    assert of(code, gpu).partition(" ")[0] == shown
    assert len(shown) <= SHOWN


def test_a_code_that_lost_letters_stands_whole_in_the_words() -> None:
    assert read(of("recovery-action", 3, "reboot the node")).words == "recovery-action: reboot the node"
    assert read(of("xid79", 3, "reboot the node")).words == "reboot the node"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("NVRM: Xid (PCI:0000:c1:00): 79, pid='<unknown>', name=<x>", "NVRM: Xid (PCI:0000:c1:00): 79, pid unknown , name x"),
        ('two\nlines\t"quoted" \\ and #1', "two lines quoted and 1"),
        ("\x1b[31mred\x1b[0m", "31mred 0m"),
        ("$(reboot); `x` | y > z", "(reboot) x y z"),
        ("", "see the journal"),
        ("#=\n", "see the journal"),
        ("ü" * 500, "see the journal"),
    ],
)  # fmt: skip
def test_text_from_outside_is_cut_and_escaped(told: str, words: str) -> None:
    assert read(of("xid79", None, told)).words == words


def test_long_words_are_cut_and_marked() -> None:
    text = of("xid79", 5, "word " * 100)
    assert len(text) <= LIMIT
    assert read(text).words.endswith("..")


def test_an_event_has_one_name_and_another_event_another() -> None:
    names = {event_id(node, boot, seq) for node in "ab" for boot in "xy" for seq in range(50)}
    assert len(names) == 200
    assert event_id("gpu-001", "b", 7) == event_id("gpu-001", "b", 7)
    assert all(len(name) == 8 and not name.strip("abcdefghijklmnopqrstuvwxyz234567") for name in names)


def test_only_the_three_who_may_write_one() -> None:
    for who in ("", "x", "aa", "A"):
        with pytest.raises(ValueError, match="no such reason"):
            make(who, "xid79", None, "words", "n", "b", 1)
    with pytest.raises(ValueError, match="no such reason"):
        make("a", "xid79", 1000, "words", "n", "b", 1)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert parse(text) is None
