"""Who wrote a line: the driver, the kernel about something else, or another program."""

import json

import pytest

import aami_xid

XID = "NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus."
BARE = "NVRM: Xid 79: GPU has fallen off the bus."

OTHER_PROGRAMS = [
    "Feb 23 16:24:18 host logger[123]: ",
    "Feb 23 16:24:18 host logger: ",
    "Feb 23 16:24:18 host NVRM: ",
    "2025-02-23T16:24:18Z host app[1]: kernel: ",
    "logger[123]: ",
    "<12>[  1.0] ",
    "12,1,2,-;",
    "user  :warn  : [  1.0] ",
    "<13>Feb 23 16:24:18 host kernel: ",
    "<13>1 2025-02-23T16:24:18Z host kernel - - - ",
    "<4>1 2025-02-23T16:24:18Z host logger 77 - - ",
    "Feb 23 16:24:18 host kernel[77]: ",
    "[  1.0] systemd[1]: ",
    "logger: ",
    "gpu-017: ",
    "Feb 23 16:24:18 host user.notice root: ",
    "Feb 23 16:24:18 host user.notice kernel: ",
    "Feb 23 16:24:18 host logger: [  1.0] ",
    "gpu-017: Feb 23 16:24:18 host logger: ",
]


@pytest.mark.parametrize(
    "text", [XID, BARE, "nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 1 x"]
)
@pytest.mark.parametrize("prefix", OTHER_PROGRAMS)
def test_another_program_with_the_same_words_is_no_driver(prefix: str, text: str) -> None:
    event = aami_xid.parse(prefix + text, year=2025)
    assert (event.kind, event.code, event.bus_id, event.trust) == ("text", None, None, "not-kernel")
    assert event.raw == prefix + text


@pytest.mark.parametrize(
    "entry",
    [
        {"_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "kernel"},
        {"_TRANSPORT": "journal"},
        {"_TRANSPORT": "kernel", "SYSLOG_FACILITY": "1"},
        {"SYSLOG_IDENTIFIER": "logger"},
    ],
)
def test_a_journal_entry_of_another_program(entry: dict[str, str]) -> None:
    event = aami_xid.parse(json.dumps({**entry, "MESSAGE": XID}))
    assert (event.kind, event.trust) == ("text", "not-kernel")


# The kernel's own lines about a process whose name (15 bytes at most) imitates a driver.
ABOUT_A_PROCESS = [
    "NVRM: Xid 79: x[123]: segfault at 0 ip 00005581 sp 00007ffd error 4 in x[55811000+1000]",
    "NVRM: Xid 79: x[123] general protection fault ip:5581 sp:7ffd error:0 in x",
    "NVRM: Xid 79:x[123]: segfault at 0",
    "NVRM: Xid 119: (123): drop_caches: 3",
    "NVRM: Xid 79: x (123): drop_caches: 3",
    "NVRM: Xid 79: x(123): some text",
    "NVRM: Xid 79: x/123: potentially unexpected fatal signal 11.",
    "NVRM: Xid 79: x invoked oom-killer: gfp_mask=0x140cca, order=0",
    "NVRM: Xid 79: x: page allocation failure: order:0",
    "NVRM: Xid 79: x: attempt to access beyond end of device",
    "NVRM: Xid 79: Corrupted page table at address 7f",
    "NVRM: Xid 79: page allocation failure: order:0",
    "NVRM: Xid 79, 1[123]: segfault at 0",
    "NVRM: Xid (a):7[123]: segfault at 0",
    "NVRM: Xid (x): [123]: segfault at 0",
    "NVRM: Xid (x):7 (123): drop_caches: 3",
    "NVRM: GPU0 x[123]: segfault at 0",
    "NVRM: x[1]: segfault",
]


@pytest.mark.parametrize(
    "prefix", ["", "[  1.0] ", "4,1,2,-;", "Feb 23 16:24:18 host kernel: ", "<4>[  1.0] "]
)
@pytest.mark.parametrize("text", ABOUT_A_PROCESS)
def test_the_kernel_about_a_process_with_a_misleading_name(prefix: str, text: str) -> None:
    event = aami_xid.parse(prefix + text, year=2025)
    assert (event.kind, event.code, event.trust) == ("text", None, "not-driver")


def test_a_process_named_like_the_switch_driver() -> None:
    event = aami_xid.parse("[  1.0] nvidia-nvswitch[123]: segfault at 0")
    assert (event.kind, event.trust) == ("text", "not-kernel")


@pytest.mark.parametrize(
    "text",
    [
        "usb 1-1: Product: " + XID,
        "process 'NVRM: Xid 79: x' launched '/bin/sh' with NULL argv: empty string added",
        'audit: type=1400 comm="' + XID + '"',
        "traps: NVRM: Xid 79: x[123] general protection fault ip:1",
        "x NVRM: Xid (PCI:0000:01:00): 79",
        "Xid (PCI:0000:01:00): 79, x",
        "input: " + XID,
    ],
)
@pytest.mark.parametrize("prefix", ["[  1.0] ", "4,1,2,-;", "Feb 23 16:24:18 host kernel: "])
def test_words_inside_another_message_are_no_driver_line(prefix: str, text: str) -> None:
    assert aami_xid.parse(prefix + text, year=2025).kind == "text"


def test_the_further_lines_of_one_record_are_no_records() -> None:
    """A device's or process's name with a line end in it, as dmesg prints it."""
    log = ["[    1.0] usb 1-1: Product: NVRM x", "                " + XID, "[    2.0] " + XID]
    assert [event.mono_us for event in aami_xid.read(log)] == [2000000]


# A process name may hold anything. Nothing is read out of it, and the driver's text behind it is found.
NAMES = [
    "ray::WorkerDict", "nvc:[driver]", "a, b", "], 79", "x): 79, pid=1", "Xid (PCI:1): 79", "a, Ch 00000001", "a, Ch 00000001,",
    ",", ", ", ",,,", "name=x, pid=2", "x, GPU has fall", "x, Contained: S", "caused by prev", " ", "a[1]: segfault", "\u00e9\u00e9", "0",
    "NVRM: Xid 79: x",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("code", "text", "channel"),
    [
        (43, "Ch 00000008", "0x00000008"),
        (109, "channel 0x0000001b, errorString CTX SWITCH TIMEOUT, Info 0x5c01a", "0x0000001b"),
        (63, "Row Remapper: New row (0x0000000e9b9107e0) marked for remapping, reset gpu to activate.", None),
        (154, "GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)", None),
        (43, "", None),
    ],
)
def test_hostile_process_names(name: str, code: int, text: str, channel: str | None) -> None:
    event = aami_xid.parse(f"NVRM: Xid (PCI:0000:01:00): {code}, pid=42, name={name}, {text}")
    assert (event.kind, event.code, event.pid, event.bus_id) == ("xid", code, 42, "0000:01:00")
    assert event.caused_by is None
    assert (event.channel, event.fields["text"]) == (channel, text)
    assert (event.process or "").strip() == name.strip()


def test_a_cause_is_the_drivers_own_last_words_only() -> None:
    line = (
        "NVRM: Xid (PCI:0000:01:00): 45, pid=1, name=caused by prev, Ch 00000001 caused by previous Xid 149"
    )
    assert aami_xid.parse(line).caused_by == 149
    assert (
        aami_xid.parse("NVRM: Xid (PCI:0000:01:00): 45, pid=1, name=x,  caused by previous Xid 31").caused_by
        == 31
    )
    assert aami_xid.parse("NVRM: Xid (PCI:0000:01:00): 45, caused by previous Xid 31").caused_by == 31


@pytest.mark.parametrize(
    ("code", "who", "bystander"),
    [
        (119, "pid=7, name=nvidia-smi, Timeout waiting for RPC from GSP!", True),
        (79, "pid=7, GPU has fallen off the bus.", True),
        (63, "pid=7, name=python, Row Remapper: New row marked for remapping, reset gpu to activate.", True),
        (31, "pid=7, name=python, Ch 00000008, intr 00000000.", False),
        (48, "pid=7, name=python, channel 0x00000001", False),
        (13, "pid=7, name=python, Graphics SM Warp Exception on (GPC 0, TPC 1, SM 0): x", False),
        (79, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.", False),
        (79, "GPU has fallen off the bus.", False),
    ],
)
def test_a_named_process_may_be_a_bystander(code: int, who: str, bystander: bool) -> None:  # noqa: FBT001 - a column
    assert aami_xid.parse(f"NVRM: Xid (PCI:0000:01:00): {code}, {who}").bystander is bystander
