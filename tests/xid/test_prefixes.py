"""Every prefix a log can put before a message, with every form of message behind it."""

import io
import json

import pytest

import aami_xid

MESSAGES = {
    "plain": ("NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus.", 79, "0000:c1:00"),
    "process": ("NVRM: Xid (PCI:0000:c1:00): 43, pid=7, name=a: b[1], Ch 00000008", 43, "0000:c1:00"),
    "before 2013": ("NVRM: Xid (0000:c1:00): 13, 0005 00000000 0000502d", 13, "0000:c1:00"),
    "MIG": ("NVRM: Xid (PCI:0000:c1:00 GPU-I:05 GPU-CI:01): 94, pid=7, Contained: SM (0x1). RST: No, D-RST: No", 94, "0000:c1:00"),
    "function": ("NVRM: Xid (PCI:0000:C1:00.0): 48, pid='<unknown>', name=<unknown>, channel 0x00000001", 48, "0000:c1:00"),
    "long domain": ("NVRM: Xid (PCI:10000:c1:00): 63", 63, "10000:c1:00"),
    "truncated": ("NVRM: Xid (PCI:0000:c1:00): 154 (", 154, "0000:c1:00"),
    "driver 610": ("NVRM: Xid 154: GPU recovery action changed from 0x0 (None) to 0x1 (PF FLR)", 154, None),
    "switch": ("nvidia-nvswitch1: SXid (PCI:0000:c1:00.0): 20034, Fatal, Link 48 LTSSM Fault Up", 20034, "0000:c1:00"),
    "switch data": ("nvidia-nvswitch1: SXid (PCI:0000:c1:00.0): 20034, Data {0x1, 0x2}", 20034, "0000:c1:00"),
}  # fmt: skip
UTC, CENTRAL = "2025-02-23T16:24:18", "2025-02-23T21:24:18"

# prefix, time, time kind, what was assumed, microseconds since boot, host, facility
PREFIXES = [
    ("", None, None, [], None, None, None),
    ("[...] ", None, None, [], None, None, None),
    ("> ", None, None, [], None, None, None),
    ("\t", None, None, [], None, None, None),
    ("4,1227,437812449932,c;", None, "monotonic", [], 437812449932, None, 0),
    ("4,1227,437812449932,-,caller=T12;", None, "monotonic", [], 437812449932, None, 0),
    ("[  130.456250] ", None, "monotonic", [], 130456250, None, None),
    ("[111111111.111] ", None, "monotonic", [], 111111111111000, None, None),
    ("[  130.456250] [   T1946] ", None, "monotonic", [], 130456250, None, None),
    ("[  130.456250][    C3] ", None, "monotonic", [], 130456250, None, None),
    ("[  130.456250 <    0.000012>] ", None, "monotonic", [], 130456250, None, None),
    ("<4>[  130.456250] ", None, "monotonic", [], 130456250, None, 0),
    ("[  +0.000033] ", None, None, [], None, None, None),
    ("[Feb23 16:24] ", "2025-02-23T16:24:00Z", "assumed", ["year", "zone"], None, None, None),
    ("[Sun Feb 23 16:24:18 2025] ", UTC + "Z", "wall", ["zone"], None, None, None),
    ("[Sun Feb  2 16:24:18 2025] ", "2025-02-02T16:24:18Z", "wall", ["zone"], None, None, None),
    ("kern  :warn  : [  130.456250] ", None, "monotonic", [], 130456250, None, 0),
    ("kern  :warn  : [Sun Feb 23 16:24:18 2025] ", UTC + "Z", "wall", ["zone"], None, None, 0),
    ("kern  :warn  : 2025-02-23T16:24:18,283302+00:00 ", UTC + ".283302Z", "wall", [], None, None, 0),
    ("2025-02-23T16:24:18,283302-05:00 ", CENTRAL + ".283302Z", "wall", [], None, None, None),
    ("Feb 23 16:24:18 gpu-017 kernel: ", UTC + "Z", "assumed", ["year", "zone"], None, "gpu-017", None),
    ("Feb 23 16:24:18.984246 gpu-017 kernel: ", UTC + ".984246Z", "assumed", ["year", "zone"], None, "gpu-017", None),
    ("Feb 23 16:24:18 gpu-017 kernel: [  130.456250] ", UTC + "Z", "assumed", ["year", "zone"], 130456250, "gpu-017", None),
    ("Feb 23 16:24:18 kernel: ", UTC + "Z", "assumed", ["year", "zone"], None, None, None),
    ("Feb 23 16:24:18  ", UTC + "Z", "assumed", ["year", "zone"], None, None, None),
    ("Feb 23 2025 16:24:18 gpu-017 kernel: ", UTC + "Z", "wall", ["zone"], None, "gpu-017", None),
    ("Feb 23 kernel: ", None, None, [], None, None, None),
    ("16:24:18.268 ", None, None, [], None, None, None),
    ("kernel: ", None, None, [], None, None, None),
    ("kernel: [130.456250] ", None, "monotonic", [], 130456250, None, None),
    ("gpu-017 kernel: ", None, None, [], None, "gpu-017", None),
    ("[  130.456250] gpu-017 kernel: ", None, "monotonic", [], 130456250, "gpu-017", None),
    ("2025-02-23T16:24:18-05:00 gpu-017 kernel: ", CENTRAL + "Z", "wall", [], None, "gpu-017", None),
    ("2025-02-23T16:24:18-0500 gpu-017 kernel: ", CENTRAL + "Z", "wall", [], None, "gpu-017", None),
    ("2025-02-23T16:24:18.5Z gpu-017.cluster kernel: ", UTC + ".500000Z", "wall", [], None, "gpu-017.cluster", None),
    ("Sun 2025-02-23 16:24:18 UTC gpu-017 kernel: ", UTC + "Z", "wall", [], None, "gpu-017", None),
    ("Sun 2025-02-23 16:24:18 CET gpu-017 kernel: ", UTC + "Z", "wall", ["zone"], None, "gpu-017", None),
    ("1740327858.570394 gpu-017 kernel: ", UTC + ".570394Z", "wall", [], None, "gpu-017", None),
    ("<4>Feb 23 16:24:18 gpu-017 kernel: [  130.456250] ", UTC + "Z", "assumed", ["year", "zone"], 130456250, "gpu-017", 0),
    ("<4>1 2025-02-23T16:24:18.123456+00:00 gpu-017 kernel - - - ", UTC + ".123456Z", "wall", [], None, "gpu-017", 0),
    ('<4>1 2025-02-23T16:24:18Z gpu-017 kernel - - [a@1 b="c"][d@2] [  130.456250] ', UTC + "Z", "wall", [], 130456250, "gpu-017", 0),
    ("1 2025-02-23T16:24:18Z gpu-017 kernel - - -  ", UTC + "Z", "wall", [], None, "gpu-017", None),
    ("\x1b[32m[  130.456250] \x1b[0m\x1b[33m", None, "monotonic", [], 130456250, None, None),
    ("Okt 06 17:59:27 balrog kernel: ", "2025-10-06T17:59:27Z", "assumed", ["year", "zone"], None, "balrog", None),
    ("\ufeff", None, None, [], None, None, None),
    ("6月 28 02:52:53 gpu-017 kernel: ", "2025-06-28T02:52:53Z", "assumed", ["year", "zone"], None, "gpu-017", None),
    ("11月 15 14:15:47 gpu-017 kernel: ", "2025-11-15T14:15:47Z", "assumed", ["year", "zone"], None, "gpu-017", None),
    ("[六 6月 28 02:52:53 2025] ", "2025-06-28T02:52:53Z", "wall", ["zone"], None, None, None),
    ("[Sun Feb 23 16:24:18] ", UTC + "Z", "assumed", ["year", "zone"], None, None, None),
    ("[ 130.25s] ", None, "monotonic", [], 130250000, None, None),
    ("2025-02-23T16:24:18.000000001+00:00 stdout F [  130.456250] ", UTC + "Z", "wall", [], 130456250, None, None),
    ("2025-02-23T16:24:18Z stderr P ", UTC + "Z", "wall", [], None, None, None),
    ('2025-02-23T16:24:18Z {host="gpu-017", job="journal"} ', UTC + "Z", "wall", [], None, None, None),
    ("2025-02-23T16:24:18.5Z cpu5:2097711)", UTC + ".500000Z", "wall", [], None, None, None),
    ("2025-02-23T16:24:18.5Z Wa(180) vmkernel: cpu5:2097711 opID=ab-1)", UTC + ".500000Z", "wall", [], None, None, None),
    ("10.0.0.7: kern: warning: [2025-02-23T16:24:18.291660856Z]: ", UTC + ".291660Z", "wall", [], None, "10.0.0.7", 0),
    ("Feb 23 16:24:18 gpu-017 kern.warn kernel: [  130.456250] ", UTC + "Z", "assumed", ["year", "zone"], 130456250, "gpu-017", 0),
    ("2025-02-23T16:24:18Z gpu-017 kern.warning kernel: ", UTC + "Z", "wall", [], None, "gpu-017", 0),
    ("6.8.0-31-generic,4,1227,437812449932,-;", None, "monotonic", [], 437812449932, None, 0),
    ("gpu-017: [  130.456250] ", None, "monotonic", [], 130456250, "gpu-017", None),
    ("gpu-017: [Sun Feb 23 16:24:18 2025] ", UTC + "Z", "wall", ["zone"], None, "gpu-017", None),
    ("gpu-017: 2025-02-23T16:24:18Z gpu-017 kernel: ", UTC + "Z", "wall", [], None, "gpu-017", None),
    ("/var/log/kern.log.1:Feb 23 16:24:18 gpu-017 kernel: ", UTC + "Z", "assumed", ["year", "zone"], None, "gpu-017", None),
    ("kern.log:1234:[  130.456250] ", None, "monotonic", [], 130456250, None, None),
    ("1234:", None, None, [], None, None, None),
    ("  1234\t[  130.456250] ", None, "monotonic", [], 130456250, None, None),
    ("[pod/dmesg-abc/dmesg] [  130.456250] ", None, "monotonic", [], 130456250, None, None),
    ("dmesg-1  | ", None, None, [], None, None, None),
    ("- [  130.456250] ", None, "monotonic", [], 130456250, None, None),
    ('  "message": "', None, None, [], None, None, None),
    ("[\xa0 130.456250] ", None, "monotonic", [], 130456250, None, None),
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
@pytest.mark.parametrize("prefix", PREFIXES, ids=lambda prefix: prefix[0] or "bare")
def test_every_prefix_before_every_form(
    prefix: tuple[str, str | None, str | None, list[str], int | None, str | None, int | None],
    message: tuple[str, int, str | None],
) -> None:
    before, time, kind, assumed, mono_us, host, facility = prefix
    text, code, bus_id = message
    event = aami_xid.parse((before + text + "\n").encode(), year=2025)
    assert (event.code, event.bus_id) == (code, bus_id)
    assert event.trust == ("bus-id" if bus_id else "no-bus-id")
    assert (event.time, event.time_kind, event.assumed) == (time, kind, assumed)
    assert (event.mono_us, event.host, event.facility) == (mono_us, host, facility)
    assert event.raw == before + text


XID = "NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus."
# an object, and the time, host, source and trust of the line in it
ENVELOPES: list[tuple[dict[str, object], str | None, str | None, str]] = [
    ({"log": "[  1.5] " + XID + "\n", "stream": "stdout", "time": UTC + ".5Z"}, UTC + ".500000Z", None, "bus-id"),
    ({"date": 1740327858.25, "msg": XID, "sec": 5}, UTC + ".250000Z", None, "bus-id"),
    ({"ts": "1740327858000000007", "line": XID, "labels": {"host": "gpu-017"}}, UTC + "Z", "gpu-017", "bus-id"),
    ({"timestamp": 1740327858123, "message": XID}, UTC + ".123000Z", None, "bus-id"),
    ({"@timestamp": UTC + "Z", "host": {"name": "gpu-017"}, "message": XID}, UTC + "Z", "gpu-017", "bus-id"),
    ({"message": XID, "_TRANSPORT": "kernel", "host": "gpu-017", "timestamp": UTC + "Z"}, UTC + "Z", "gpu-017", "bus-id"),
    ({"message": XID, "_TRANSPORT": "syslog", "timestamp": UTC + "Z"}, UTC + "Z", None, "not-kernel"),
    ({"jsonPayload": {"MESSAGE": XID, "_HOSTNAME": "gpu-017", "_TRANSPORT": "kernel"}, "timestamp": UTC + "Z"}, UTC + "Z", "gpu-017", "bus-id"),
    ({"_source": {"message": "Feb 23 16:24:18 gpu-017 logger[1]: " + XID}}, UTC + "Z", "gpu-017", "not-kernel"),
    ({"log": json.dumps({"msg": XID, "time": UTC + "Z"})}, UTC + "Z", None, "bus-id"),
    ({"message": XID, "time": "nonsense"}, None, None, "bus-id"),
    ({"message": XID, "time": "9" * 30}, None, None, "bus-id"),
    ({"message": XID, "ts": None, "time": True}, None, None, "bus-id"),
]  # fmt: skip


@pytest.mark.parametrize("envelope", ENVELOPES, ids=lambda envelope: json.dumps(envelope[0])[:60])
def test_lines_in_the_json_of_containers_and_collectors(
    envelope: tuple[dict[str, object], str | None, str | None, str],
) -> None:
    entry, time, host, trust = envelope
    line = json.dumps(entry)
    event = aami_xid.parse(line + "\r\n", year=2025)
    assert (event.code, event.trust) == ((79, trust) if trust == "bus-id" else (None, trust))
    assert (event.time, event.host, event.raw) == (time, host, line)
    (read,) = aami_xid.read(io.BytesIO(line.encode() + b"\n"), year=2025, everything=True)
    assert read.to_dict() == event.to_dict()


@pytest.mark.parametrize(
    "text",
    [
        "[  1.5] NVRM: Xid (PCI:0000:c1:00): 79, pid=&#39;&lt;unknown&gt;&#39;, name=&lt;unknown&gt;, GPU has fallen off the bus.",
        "&gt; [  1.5] NVRM: Xid (PCI:0000:c1:00): 79, pid='&lt;unknown&gt;', name=&lt;unknown&gt;, GPU has fallen off the bus.",
        "&lt;4&gt;[  1.5] NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus.",
    ],
)
def test_what_a_web_page_made_of_a_line(text: str) -> None:
    event = aami_xid.parse(text)
    assert (event.code, event.process, event.mono_us, event.raw) == (79, None, 1500000, text)


def test_a_name_that_looks_like_a_web_page_stays_beside_real_brackets() -> None:
    event = aami_xid.parse("<4>[  1.5] NVRM: Xid (PCI:0000:c1:00): 43, pid=7, name=a&lt;b, Ch 00000008")
    assert event.process == "a&lt;b"


def test_raw_kmsg_keeps_the_sequence_and_leaves_the_continuation_lines() -> None:
    record = (
        "4,1227,437812449932,-;NVRM: Xid (PCI:0000:c1:00): 79, x\n SUBSYSTEM=pci\n DEVICE=+pci:0000:c1:00.0\n"
    )
    event = aami_xid.parse(record)
    assert (event.seq, event.source, event.fields["text"]) == (1227, "kmsg", "x")
    assert event.raw == record.split("\n", maxsplit=1)[0]


def test_raw_kmsg_escapes_are_undone_in_the_message_and_kept_in_the_raw_line() -> None:
    line = r"4,1,2,-;NVRM: Xid (PCI:0000:c1:00): 31, pid=7, name=caf\xc3\xa9\x0ax, Ch 00000008"
    event = aami_xid.parse(line)
    assert event.process == "café\nx"
    assert event.raw == line


@pytest.mark.parametrize(
    "text", ["NVRM: Xid (PCI:0000:c1:00): 79, x", "NVRM: Xid (PCI:0000:c1:00): 43, pid=7, name=\xff, Ch 1"]
)
def test_journal_json_with_text_and_with_bytes_as_numbers(text: str) -> None:
    entry = {
        "__REALTIME_TIMESTAMP": "1740327858123456", "__MONOTONIC_TIMESTAMP": "99", "_SOURCE_MONOTONIC_TIMESTAMP": "88",
        "_TRANSPORT": "kernel", "SYSLOG_FACILITY": "0", "PRIORITY": "4", "_HOSTNAME": "gpu-017", "SYSLOG_IDENTIFIER": "kernel",
    }  # fmt: skip
    for message in (text, list(text.encode("latin-1"))):
        event = aami_xid.parse(json.dumps({**entry, "MESSAGE": message}))
        assert (event.kind, event.bus_id, event.host) == ("xid", "0000:c1:00", "gpu-017")
        assert (event.time, event.time_kind, event.mono_us) == ("2025-02-23T16:24:18.123456Z", "wall", 88)
        assert event.source == "journal"


@pytest.mark.parametrize(
    "message", [None, [], "", ["NVRM: Xid (PCI:0000:c1:00): 79, x", "twice"], {}, 5, True]
)
def test_journal_json_with_odd_messages(message: object) -> None:
    event = aami_xid.parse(json.dumps({"MESSAGE": message, "_TRANSPORT": "kernel"}))
    assert event.kind == ("xid" if isinstance(message, list) and message else "text")


def test_lines_that_only_look_like_journal_json() -> None:
    for text in (
        '{"a": 1}',
        '{"MESSAGE"',
        "{" * 100,
        '{"MESSAGE":' + "[" * 5000,
        '{"x":1} NVRM: Xid (PCI:0000:c1:00): 79',
    ):
        assert aami_xid.parse(text).kind == "text"
