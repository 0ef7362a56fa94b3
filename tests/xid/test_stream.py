"""Whole logs: formats found by themselves, sentences over several lines, speed by skipping, memory that stays flat."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

import aami_xid
from tests.xid.lines import published

pytestmark = pytest.mark.slow

XID = "NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus."
NOISE = "Feb 23 16:24:18 gpu-017 systemd[1]: Started Session 5 of user root.\n"


def journal_export(entries: list[dict[str, bytes]]) -> bytes:
    out = b""
    for entry in entries:
        for name, value in entry.items():
            if b"\n" in value:
                out += name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
            else:
                out += name.encode() + b"=" + value + b"\n"
        out += b"\n"
    return out


ENTRY = {
    "__CURSOR": b"s=1",
    "__REALTIME_TIMESTAMP": b"1740327858123456",
    "_TRANSPORT": b"kernel",
    "_HOSTNAME": b"gpu-017",
}


def test_a_journal_export_with_binary_fields() -> None:
    split = b"NVRM: The NVIDIA GPU 0000:b3:00.0\nNVRM: (PCI ID: 10de:26b5) installed in this system has\nNVRM: fallen off the bus and is not responding to commands."
    data = journal_export(
        [
            {**ENTRY, "MESSAGE": XID.encode()},
            {**ENTRY, "_TRANSPORT": b"syslog", "MESSAGE": XID.encode()},
            {**ENTRY, "COREDUMP": b"a\n" * 1000, "MESSAGE": split},
            {**ENTRY, "NOTHING": b""},
        ]
    )
    for size in (7, 4096):
        first, second = aami_xid.read(io.BufferedReader(io.BytesIO(data), size))
        assert (first.kind, first.bus_id, first.time, first.host) == (
            "xid",
            "0000:c1:00",
            "2025-02-23T16:24:18.123456Z",
            "gpu-017",
        )
        assert (second.kind, second.bus_id) == ("fallen-off", "0000:b3:00")
        assert len(second.raw.splitlines()) == 1


@pytest.mark.parametrize(
    "spoilt",
    [
        b"__CURSOR=x\nMESSAGE\n\xff",
        b"__CURSOR=x\nMESSAGE\n" + b"\xff" * 8 + b"x",
        b"__CURSOR=",
        b"__CURSOR=x\nMESSAGE\n\x05\0\0\0\0\0\0\0ab",
    ],
)
def test_a_broken_journal_export_ends_quietly(spoilt: bytes) -> None:
    assert list(aami_xid.read(io.BytesIO(spoilt))) == []


def test_journal_json_lines_in_a_file_even_with_bytes_as_numbers() -> None:
    lines: list[dict[str, object]] = [
        {"MESSAGE": XID},
        {"MESSAGE": "hello"},
        {"MESSAGE": [*XID.encode(), 255]},
    ]
    log = "\n".join(json.dumps({**entry, "_TRANSPORT": "kernel"}, separators=(",", ":")) for entry in lines)
    assert [event.code for event in aami_xid.read(io.BytesIO(log.encode()))] == [79, 79]
    assert [event.code for event in aami_xid.read(log.splitlines())] == [79, 79]


def test_every_published_line_comes_out_of_a_file() -> None:
    known = [
        line
        for line in published()
        if line.expected["kind"] not in {"text", "nvrm", "nvswitch"} and line.text[0] != "n"
    ]
    log = "".join(NOISE + line.text + "\r\n" for line in known).encode()
    events = list(aami_xid.read(io.BytesIO(log), year=2025))
    assert [event.raw for event in events] == [line.text for line in known]
    assert [event.index for event in events] == list(range(len(known)))


def test_a_compressed_log_and_an_open_file(tmp_path: Path) -> None:
    (tmp_path / "kern.log.gz").write_bytes(gzip.compress((NOISE * 100 + XID + "\n").encode()))
    with gzip.open(tmp_path / "kern.log.gz") as stream:
        assert [event.code for event in aami_xid.read(stream)] == [79]
    (tmp_path / "kern.log").write_text(NOISE + XID, encoding="utf-8")
    with (tmp_path / "kern.log").open("rb", buffering=0) as raw:
        assert [event.code for event in aami_xid.read(raw)] == [79]


def test_raw_kmsg_through_a_path(tmp_path: Path) -> None:
    """How a test, or a hook under test, feeds a raw stream: the same records, from a file."""
    log = tmp_path / "kmsg"
    log.write_text(
        f"6,1,10,-;eth0: up\n4,2,20,-;{XID}\n SUBSYSTEM=pci\n12,3,30,-;{XID}\n4,4,40,c;{XID}\n",
        encoding="utf-8",
    )
    with log.open("rb") as stream:
        assert [(event.seq, event.facility, event.mono_us) for event in aami_xid.read(stream)] == [
            (2, 0, 20),
            (4, 0, 40),
        ]


@pytest.mark.parametrize(
    "lines",
    [
        ["[14387.209961] NVRM: The NVIDIA GPU 0000:5d:00.0", "               NVRM: (PCI ID: 10de:2330) installed in this system has", "               NVRM: fallen off the bus and is not responding to commands."],
        ["[14387.209961] NVRM: The NVIDIA GPU 0000:5d:00.0 (PCI ID: 10de:2330)", "[14387.209961] NVRM: installed in this system has fallen off the bus and is not responding to commands."],
        [r"4,1,14387209961,-;NVRM: The NVIDIA GPU 0000:5d:00.0\x0aNVRM: (PCI ID: 10de:2330) installed in this system has\x0aNVRM: fallen off the bus and is not responding to commands."],
        ["Feb 23 16:24:18 h kernel: [14387.209961] NVRM: The NVIDIA GPU 0000:5d:00.0#012NVRM: (PCI ID: 10de:2330) installed in this system has#012NVRM: fallen off the bus and is not responding to commands."],
    ],
    ids=["dmesg", "two records", "kmsg", "rsyslog"],
)  # fmt: skip
def test_a_sentence_over_several_lines_is_one_event(lines: list[str]) -> None:
    (event,) = aami_xid.read(lines)
    assert (event.kind, event.bus_id, event.mono_us) == ("fallen-off", "0000:5d:00", 14387209961)
    assert all(line in event.raw for line in lines)


def test_a_dead_gpu_that_is_called_unsupported() -> None:
    lines = [
        "NVRM: The NVIDIA GPU 0000:01:00.0 (PCI ID: 10de:139b)", "NVRM: installed in this system is not supported by the",
        "NVRM: NVIDIA 580.126.09 driver release.", "NVRM: The NVIDIA probe routine failed for 1 device(s).",
    ]  # fmt: skip
    events = list(aami_xid.read(lines))
    assert [event.kind for event in events] == ["not-supported", "probe-failed"]
    assert events[0].bus_id == "0000:01:00"


def test_a_sentence_that_never_ends_is_dropped() -> None:
    assert list(aami_xid.read(["NVRM: The NVIDIA GPU 0000:01:00.0"] + ["NVRM: and so on"] * 50)) == []


def test_everything_gives_an_event_for_every_line() -> None:
    log = (NOISE + XID + "\n" + NOISE).encode()
    assert [event.kind for event in aami_xid.read(io.BytesIO(log), everything=True)] == [
        "text",
        "xid",
        "text",
    ]
    assert [event.kind for event in aami_xid.read(log.splitlines(), everything=True)] == [
        "text",
        "xid",
        "text",
    ]


def test_what_others_say_about_a_gpu_is_read_near_the_drivers_lines_only() -> None:
    aer = "[  1.000000] pcieport 0000:40:01.1: AER: Corrected error received: 0000:41:00.0\n"
    quiet = NOISE * 200
    log = (aer + quiet + aer + NOISE * 3 + XID + "\n" + NOISE * 3 + aer + quiet + aer).encode()
    for size in (1, 100, 5000, 1 << 20):
        stream = io.BufferedReader(io.BytesIO(log), size)
        assert [event.kind for event in aami_xid.read(stream)] == ["aer", "xid", "aer"]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    class Endless(io.RawIOBase):
        """Forty mebibytes without a line end."""

        left = 64

        def read(self, size: int = -1, /) -> bytes:
            del size
            self.left -= 1
            return b"NVRM " * (1 << 17) if self.left >= 0 else b""

    tracemalloc.start()
    list(aami_xid.read(Endless()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20


def storm(count: int) -> Iterator[str]:
    """A day of faults: one second apart, on many devices, of many kinds, with a flood of clean-up."""
    for number in range(count):
        bus = f"{number * 7 % 64:02x}"
        text = [
            "45, pid=7, name=python3, Ch 00000008",
            "31, pid=7, name=a, Ch 00000001",
            "119, Timeout waiting for RPC from GSP!",
        ][number % 3 if number % 97 else 2]
        yield f"[{number:6d}.000000] NVRM: Xid (PCI:0000:{bus}:00): {text}"


def peak_of(count: int) -> int:
    tracemalloc.start()
    groups = sum(1 for _ in aami_xid.group_stream(aami_xid.read(storm(count)), keep=8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert groups
    return peak


def test_memory_does_not_grow_with_the_log() -> None:
    peak_of(500)  # first use: patterns, tables
    assert peak_of(6000) < 2 * peak_of(2000)


def test_a_stream_gives_each_group_as_soon_as_it_is_complete() -> None:
    seen: list[int] = []

    def lines() -> Iterator[str]:
        for number in range(50):
            seen.append(number)
            yield f"[{number * 300:6d}.000000] NVRM: Xid (PCI:0000:01:00): 31, pid=7, name=a, Ch 00000001"

    behind = [len(seen) for _ in aami_xid.group_stream(aami_xid.read(lines()))]
    assert len(behind) == 50
    assert behind[:10] == list(range(2, 12))


def test_the_stream_finds_the_same_groups() -> None:
    lines = list(storm(3000))
    whole = {(group.title, group.count, group.first_at) for group in aami_xid.group(aami_xid.read(lines))}
    streamed = {
        (group.title, group.count, group.first_at)
        for group in aami_xid.group_stream(aami_xid.read(lines), keep=4)
    }
    assert streamed == whole


def test_more_devices_than_any_node_has_are_handled() -> None:
    lines = [
        f"[  1.{number:06d}] NVRM: Xid (PCI:{number:04x}:01:00): 74, NVLink: fatal error detected on link 1"
        for number in range(600)
    ]
    groups = list(aami_xid.group_stream(aami_xid.read(lines)))
    assert sum(group.count for group in groups) == 600
