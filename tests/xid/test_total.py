"""The parser takes anything: no bytes make it raise, and its answer is always whole, one line, and writable as JSON."""

import io
import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

import aami_xid
from tests.xid.lines import published

KINDS_WITH_DEVICE = {"xid", "sxid"}
PIECES = [
    b"NVRM: ", b"Xid", b" (PCI:0000:01:00", b"): ", b"79", b", pid=", b"'<unknown>'", b", name=", b"nvidia-nvswitch0: ", b"SXid ",
    b"Fatal, Link 3 ", b"GPU at PCI:", b"GPU-I:05", b" GPU-CI:", b"4,1,2,-;", b"<4>", b"[  1.5] ", b"[Sun Feb 23 16:24:18 2025] ",
    b"Feb 29 16:24:18 h kernel: ", b'{"MESSAGE":', b"\\x0a", b"\n", b"\xff", b"(0x", b"0x025525c6 ", b"Link -1 ", b"Contained: ",
    b"RST: Yes", b"GPU recovery action changed from 0x0 (", b") to 0x", b"MMU Fault: ENGINE ", b" faulted @ 0x", b"_", b"99999999999999",
    b"caused by previous Xid ", b"\xc3\xa9", b"\x1b[31m", b"\x00", b" ", b",", b"(", b")", b"NETIR_LINK_EVT Fatal XC0 i0 ",
    b"An uncorrectable double bit error", b"physAddr 0x", b"Row Remapper", b"Data {", b"Severity 1 Engine instance ",
]  # fmt: skip
BUILT = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=24).map(b"".join)
LINES = [line.text.encode() for line in published()]


def whole(line: bytes | str) -> None:
    event = aami_xid.parse(line, year=2025)
    told = event.to_dict()
    assert json.loads(json.dumps(told)) is not None
    assert len(event.raw.splitlines()) <= 1
    assert event.trust in {"bus-id", "no-bus-id", "not-kernel", "not-driver"}
    assert event.time_kind in {None, "wall", "assumed", "monotonic"}
    assert (event.code is not None) == (event.kind in KINDS_WITH_DEVICE)
    aami_xid.group([event])


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(line: bytes) -> None:
    whole(line)


@settings(deadline=None)
@given(BUILT)
@example(b"4,1,2,-;" + b"\\x" * 50)
@example(b"9" * 5000 + b",1,2,-;NVRM: Xid (PCI:0000:01:00): 79")
@example(b"NVRM: Xid (PCI:0000:01:00): " + b"9" * 5000)
@example(b"NVRM: Xid (PCI:" + b"f" * 5000 + b":01:00): 79")
@example(b"[" + b"9" * 5000 + b".1] NVRM: Xid (PCI:0000:01:00): 79")
@example(b'{"MESSAGE":' + b"[" * 100000)
@example(b"NVRM: Xid (PCI:0000:01:00): 31, pid=1, name=" + b"," * 4000)
@example(b"<4>1 2025-02-23T16:24:18Z h kernel - - " + b"[a" * 4000)
def test_lines_built_of_the_grammars_own_pieces(line: bytes) -> None:
    whole(line)


@settings(deadline=None)
@given(st.sampled_from(LINES), st.integers(0, 200), st.binary(max_size=6), st.integers(0, 12))
def test_published_lines_cut_and_spoilt(line: bytes, at: int, put: bytes, drop: int) -> None:
    whole(line[:at] + put + line[at + drop :])


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_even_with_lone_surrogates(text: str) -> None:
    whole(text)
    whole("\udcff" + text + "\ud800")


@settings(deadline=None)
@given(
    st.text(
        alphabet=st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=15
    ).filter(lambda name: len(name.encode()) <= 15)
)
def test_no_number_comes_out_of_a_process_name(name: str) -> None:
    line = f"NVRM: Xid (PCI:0000:01:00): 43, pid=42, name={name}, Ch 00000008"
    event = aami_xid.parse(line)
    assert (event.code, event.pid, event.bus_id, event.channel, event.caused_by) == (
        43,
        42,
        "0000:01:00",
        "0x00000008",
        None,
    )
    assert event.fields["text"] == "Ch 00000008"


@settings(deadline=None)
@given(st.lists(BUILT | st.sampled_from(LINES), max_size=30), st.integers(1, 64))
def test_a_log_read_in_any_blocks_gives_the_same_events(lines: list[bytes], size: int) -> None:
    log = b"\n".join(lines)
    whole_file = [event.raw for event in aami_xid.read(io.BytesIO(log), everything=False)]
    assert [event.raw for event in aami_xid.read(Dripping(log, size))] == whole_file


class Dripping(io.BytesIO):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.step = size

    def read1(self, size: int | None = -1, /) -> bytes:
        del size
        return super().read1(self.step)
