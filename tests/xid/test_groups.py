"""Fault groups: what belongs together, who is the root, what it needs; in any order, with any clock or none."""

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aami_xid
from aami_xid.story import Group
from aami_xid.tables import table


def line(at: float, message: str) -> str:
    return f"[{at:12.6f}] {message}"


def xid(at: float, bus: str, text: str) -> str:
    return line(at, f"NVRM: Xid (PCI:0000:{bus}:00): {text}")


def groups(lines: Iterable[str]) -> list[Group]:
    return aami_xid.group(aami_xid.read(lines))


def shape(found: Sequence[Group]) -> set[tuple[str, frozenset[str]]]:
    """What the groups are, without the order they came in."""
    return {(group.title, frozenset(event.raw for event in group.events)) for group in found}


PEERS = ["1b", "43", "52", "9d", "b9", "d1", "dc"]
LOST = [
    line(100.0, "NVRM: GPU at PCI:0000:c1:00: GPU-b6c3b2be-c55b-d076-fa0e-d464e4c7e08b"),
    line(100.0, "NVRM: GPU Board Serial Number: 1653723052734"),
    xid(100.0, "c1", "79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."),
    line(100.1, "NVRM: GPU 0000:c1:00.0: GPU has fallen off the bus."),
    xid(100.4, "c1", "154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"),
    *[xid(111.5, peer, "74, pid='<unknown>', name=<unknown>, NVLink: fatal error detected on link 3(0x0, 0x0, 0x10000, 0x0, 0x0, 0x0, 0x0)") for peer in PEERS],
    *[
        line(111.9 + part / 10, f"nvidia-nvswitch{number}: SXid (PCI:0000:0{number}:00.0): 20034, {text}")
        for number in range(4)
        for part, text in enumerate(["Fatal, Link 48 LTSSM Fault Up", "Severity 1 Engine instance 60 Sub-engine instance 00", "Data {0x1, 0x2}"])
    ],
    *[xid(112.0 + number / 100, peer, f"45, pid={number}, name=python3, Ch {number:08x}") for number in range(40) for peer in PEERS],
]  # fmt: skip


def test_a_lost_gpu_with_all_that_follows_is_one_group() -> None:
    (group,) = groups(LOST)
    assert group.title == "GPU 0000:c1:00 lost"
    assert (group.root.code, group.root.bus_id) == (79, "0000:c1:00")
    assert (group.severity, group.action, group.action_from) == ("fatal", "reboot-node", "recovery action")
    assert group.gpus[0] == {
        "bus_id": "0000:c1:00", "uuid": "GPU-b6c3b2be-c55b-d076-fa0e-d464e4c7e08b", "serial": "1653723052734",
    }  # fmt: skip
    assert len(group.gpus) == 8
    assert group.switches == ["0000:00:00", "0000:01:00", "0000:02:00", "0000:03:00"]
    assert group.codes == {
        "xid:79": 1,
        "fallen-off": 1,
        "xid:154": 1,
        "xid:74": 7,
        "sxid:20034": 4,
        "xid:45": 280,
    }
    assert group.needs_action
    assert "7 x Xid 74 on 7 GPUs" in group.summary
    assert "4 x SXid 20034 on 4 switches" in group.summary
    assert "node reboot" in group.summary


def test_the_group_as_json() -> None:
    (group,) = groups(LOST)
    told = group.to_dict()
    assert told["root"] == {"kind": "xid", "code": 79, "bus_id": "0000:c1:00", "event": 2}
    assert told["events"] == list(range(2, len(LOST)))
    assert {"severity", "action", "gpus", "summary", "count", "first", "last"} <= set(told)
    assert told["first_mono_us"] == 100000000


def test_a_lost_gpu_without_a_request_of_the_driver_needs_a_reboot() -> None:
    (group,) = groups(LOST[2:4])
    assert (group.action, group.action_from) == ("reboot-node", "report")


def test_the_drivers_request_for_a_reset_of_a_lost_gpu_is_explained() -> None:
    (group,) = groups(
        [
            LOST[2],
            xid(100.4, "c1", "154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"),
        ]
    )
    assert group.action == "reset-gpu"
    assert "only work once the device answers again" in group.summary
    assert group.needs is not None
    assert "expect to restart the node" in group.needs


def test_what_a_lost_gpu_needs_is_said_for_every_action_that_promises_too_much() -> None:
    (story,) = (story for story in table("groups")["stories"] if story["name"] == "lost")
    weaker = {"reset-gpu", "bus-reset", "drain-and-reset"}
    assert set(story["needs"]) == weaker
    (group,) = groups([LOST[2], LOST[4]])
    assert (group.action, group.needs) == ("reboot-node", None)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (
            "71, NVLink: fatal error detected on link 3",
            "GPU 0000:c1:00: NVLink error, printed under the number 71",
        ),
        (
            "48, pid=1, name=x, Graphics SM Warp Exception on (GPC 1, TPC 2, SM 0): Out Of Range Address",
            "GPU 0000:c1:00: Graphics engine exception (Xid 13), printed under the number 48",
        ),
        ("31, GPU has fallen off the bus.", "GPU 0000:c1:00 lost, printed under the number 31"),
        ("79, GPU has fallen off the bus.", "GPU 0000:c1:00 lost"),
    ],
)
def test_a_title_tells_the_number_where_text_and_number_contradict(text: str, title: str) -> None:
    (group,) = groups([xid(1.0, "c1", text)])
    assert group.title == title


def test_a_fatal_switch_error_of_unknown_reach_promises_nothing() -> None:
    (group,) = groups(["nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 10001, Fatal, PRI WRITE SYS error"])
    assert "How far it reaches is not known" in group.summary


def test_a_report_without_a_device_is_no_second_device() -> None:
    bare = line(1.0, "NVRM: Xid 79: GPU has fallen off the bus.")
    (group,) = groups([bare, xid(1.0, "c1", "79, GPU has fallen off the bus.")])
    assert "Lines: 2 x Xid 79." in group.summary


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_lines_makes_no_difference(shuffle: random.Random) -> None:
    mixed = [*LOST, *UNRELATED]
    events = list(aami_xid.read(mixed))
    expected = shape(aami_xid.group(events))
    shuffle.shuffle(events)
    assert shape(aami_xid.group(events)) == expected
    assert len(expected) == 3


UNRELATED = [
    xid(100.2, "2a", "48, pid='<unknown>', name=<unknown>, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at physAddr 0x1 partition 4, subpartition 1"),
    xid(100.3, "2a", "63, pid=5, name=python, Row Remapper: New row (0x0000000000000001) marked for remapping, reset gpu to activate."),
    xid(100.5, "2a", "45, pid=5, name=python, Ch 00000001"),
    xid(101.0, "3a", "31, pid=6, name=a.out, Ch 00000002, intr 00000000. MMU Fault: ENGINE GRAPHICS GPC1 GPCCLIENT_T1_3 faulted @ 0x7e9f_4f200000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ"),
    xid(101.1, "3a", "43, pid=6, name=a.out, Ch 00000002"),
]  # fmt: skip


def test_unrelated_faults_at_the_same_time_stay_apart() -> None:
    found = groups(UNRELATED)
    assert {(group.root.code, group.action) for group in found} == {(48, "reset-gpu"), (31, "tell-user")}
    assert {tuple(group.codes) for group in found} == {("xid:48", "xid:63", "xid:45"), ("xid:31", "xid:43")}


def test_two_lost_gpus_are_two_groups() -> None:
    found = groups(
        [
            xid(100.0, "c1", "79, GPU has fallen off the bus."),
            xid(100.5, "d1", "79, GPU has fallen off the bus."),
        ]
    )
    assert [group.title for group in found] == ["GPU 0000:c1:00 lost", "GPU 0000:d1:00 lost"]


def test_the_same_fault_later_is_another_group() -> None:
    found = groups([xid(at, "c1", "31, pid=1, name=a, Ch 00000001") for at in (0.0, 1.0, 14.0, 100.0, 101.0)])
    assert [group.count for group in found] == [3, 2]


def test_firmware_reports_minutes_apart_are_one_group() -> None:
    report = "119, pid=7, name=nvidia-smi, Timeout after 6s of waiting for RPC response from GPU4 GSP! Expected function 76 (GSP_RM_CONTROL) (0x1 0x2)."
    (group,) = groups([xid(at, "9b", report) for at in (0.0, 6.0, 180.0, 700.0)])
    assert (group.count, group.action) == (4, "reset-gpu")


def test_firmware_notes_without_a_device_join_the_device_that_has_the_fault() -> None:
    lines = [
        line(10.0, "NVRM: _kgspRpcRecvPoll: GSP RM heartbeat timed out"),
        line(12.0, "NVRM: krcWatchdog_IMPL: RC watchdog: GPU is probably locked!  Notify Timeout Seconds: 7"),
        xid(13.0, "01", "8, pid=5, name=python, Channel 00000028"),
        xid(
            14.0,
            "01",
            "109, pid=5, name=python, channel 0x0000001b, errorString CTX SWITCH TIMEOUT, Info 0x5c01a",
        ),
        xid(14.4, "01", "154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"),
    ]
    (group,) = groups(lines)
    assert set(group.codes) == {"gsp-heartbeat", "watchdog", "xid:8", "xid:109", "xid:154"}
    assert (group.root.code, group.action, group.title) == (
        109,
        "reset-gpu",
        "GPU 0000:01:00: GSP firmware does not answer",
    )


def test_flags_in_the_line_win_over_the_code() -> None:
    (calm,) = groups(
        [
            xid(1.0, "01", "95, Uncontained: FBHUB (0x0, 0x0). RST: No, D-RST: No"),
            xid(1.1, "01", "95, pid=5, name=a, Ch 00000001"),
        ]
    )
    assert (calm.action, calm.action_from, calm.severity) == ("tell-user", "flags", "error")
    (marked,) = groups([xid(1.0, "01", "94, Contained: GSP (0x0, 0x0). RST: Yes, D-RST: No")])
    assert (marked.action, marked.severity) == ("reset-gpu", "fatal")


def test_the_last_recovery_action_counts() -> None:
    fault = xid(1.0, "01", "119, Timeout waiting for RPC from GSP!")
    asked = xid(1.5, "01", "154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)")
    taken_back = xid(
        30.0, "01", "154, GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)"
    )
    (group,) = groups([fault, asked, taken_back])
    assert (group.action, group.needs_action) == ("none", False)
    assert "nothing (any more)" in group.summary


def test_an_undecodable_recovery_action_leaves_the_decision_to_the_code() -> None:
    (group,) = groups([xid(1.0, "01", "119, Timeout waiting for RPC from GSP!"), xid(1.5, "01", "154 (")])
    assert (group.action, group.action_from) == ("reset-gpu", "report")


@pytest.mark.parametrize(
    ("lines", "story", "action"),
    [
        (["48, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at partition 4, subpartition 1", "171, GDDR, Uncorrectable DRAM error in FBPA 3 subpartition 0 physAddr 0x1", "63, Row Remapper: New row (0x0000000000000001) marked for remapping, reset gpu to activate.", "94, Contained: SM (0x1). RST: No, D-RST: No", "94, pid=5, name=a, Ch 00000001", "45, pid=5, name=a, Ch 00000001"], "dram-remapped", "reset-gpu"),
        (["48, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at partition 4, subpartition 1", "172, GSP-RISCV, Uncorrectable SRAM error"], "sram", "reset-gpu"),
        (["63, Row Remapper: New row marked for remapping, reset gpu to activate."], "repair-recorded", "reset-when-idle"),
        (["63, Row Remapper: New row marked for remapping, reset gpu to activate.", "94, Contained: SM (0x1). RST: No, D-RST: No"], "contained-and-recorded", "reset-when-idle"),
        (["48, x", "64, Row Remapper Error: (0x1) - All reserved rows for bank are remapped"], "repair-impossible", "service"),
        (["95, Uncontained: LTC TAG (0x2, 0x1). RST: Yes, D-RST: No"], "uncontained", "reset-gpu"),
        (["94, Contained: SM (0x1). RST: No, D-RST: No"], "contained", "tell-user"),
        (["94, Contained: SM (0x1). RST: No, D-RST: No", "137, RLW_RXPIPE interrupt hit on link 11 on GPU0: PRIV Error"], "peer-access", "tell-user"),
        (["160, Marking Channel 3 in FBPA 2 along with its pair for repair. Perform node reboot to activate repair."], "repair-recorded", "reboot-node"),
        (["161, Repairing Channel failed as there are no more spare channels."], "repair-impossible", "service"),
        (["45, pid=5, name=a, Ch 00000001"], "cleanup", "none"),
        (["154, GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)"], "recovery", "drain-and-reset"),
        (["74, NVLink: fatal error detected on link 1"], "nvlink", "reset-gpu"),
        (["999, something"], "other", "investigate"),
    ],
)  # fmt: skip
def test_stories_and_what_they_need(lines: list[str], story: str, action: str) -> None:
    (group,) = groups([xid(1.0 + number / 10, "01", text) for number, text in enumerate(lines)])
    assert (group.story["name"], group.action) == (story, action)
    assert group.summary.startswith(group.title)


def test_switches_alone() -> None:
    (wide,) = groups(
        [
            line(
                1.0,
                "nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 12020, Fatal, Link 46 egress sequence ID error",
            )
        ]
    )
    assert (wide.severity, wide.action) == ("fatal", "reset-fabric")
    (port,) = groups(
        [line(1.0, "nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 46 LTSSM Fault Up")]
    )
    assert (port.action, port.gpus, port.switches) == ("reset-gpu", [], ["0000:05:00"])
    (calm,) = groups(
        [
            line(
                1.0,
                "nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 22013, Non-fatal, Link 60 Minion Link DLREQ interrupt",
            )
        ]
    )
    assert (calm.severity, calm.needs_action) == ("warning", False)


def test_the_three_lines_of_a_switch_report_count_once() -> None:
    texts = [
        "Non-fatal, Link 32 egress non-posted PRIV error (First)",
        "Severity 0 Engine instance 62 Sub-engine instance 00",
        "Data {0x1}",
    ]
    (group,) = groups(
        [line(1.0, f"nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 12028, {text}") for text in texts]
    )
    assert (group.count, len(group.events)) == (1, 3)


def test_a_whole_switch_explains_the_links_behind_it() -> None:
    lines = [
        line(
            1.0, "nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 12020, Fatal, Link 46 egress sequence ID error"
        ),
        xid(2.0, "01", "74, NVLink: fatal error detected on link 1"),
        xid(2.0, "02", "74, NVLink: fatal error detected on link 2"),
    ]
    (group,) = groups(lines)
    assert (group.root.code, group.action) == (12020, "reset-fabric")
    assert [gpu["bus_id"] for gpu in group.gpus] == ["0000:01:00", "0000:02:00"]


def test_the_end_of_a_job_on_eight_gpus_is_one_group_that_needs_nobody() -> None:
    (group,) = groups([xid(1.0, bus, "45, pid=5, name=a, Ch 00000001") for bus in PEERS])
    assert group.title == "7 GPUs: channels removed, no cause in the log"
    assert not group.needs_action


def test_instances_of_one_gpu_have_their_own_groups_until_the_whole_gpu_fails() -> None:
    one = line(1.0, "NVRM: Xid (PCI:0000:01:00 GPU-I:01): 31, pid=1, name=a, Ch 00000001")
    two = line(1.0, "NVRM: Xid (PCI:0000:01:00 GPU-I:02): 31, pid=2, name=b, Ch 00000001")
    whole = xid(1.5, "01", "95, Uncontained: LTC TAG (0x2, 0x1). RST: Yes, D-RST: No")
    assert [group.title for group in groups([one, two])] == [
        "GPU 0000:01:00 instance 1: GPU memory page fault (MMU fault) (Xid 31)",
        "GPU 0000:01:00 instance 2: GPU memory page fault (MMU fault) (Xid 31)",
    ]
    for order in ([one, two, whole], [whole, two, one], [one, whole, two]):
        (group,) = groups(order)
        assert (group.root.code, group.mig) == (95, None)


def test_reports_that_name_no_device() -> None:
    bare = [
        "NVRM: Xid 79: GPU has fallen off the bus.",
        "NVRM: Xid 154: GPU recovery action changed from 0x0 (None) to 0x1 (PF FLR)",
    ]
    (unnamed,) = groups([line(1.0, bare[0]), line(1.2, bare[1])])
    assert (unnamed.title, unnamed.gpus) == ("GPU (not named in the log) lost", [])
    (named,) = groups(
        [
            line(1.0, bare[0]),
            line(1.1, "NVRM: GPU 0000:c1:00.0: GPU has fallen off the bus."),
            line(1.2, bare[1]),
        ]
    )
    assert named.title == "GPU 0000:c1:00 lost"
    other = [xid(1.0, bus, "119, Timeout waiting for RPC from GSP!") for bus in ("01", "02")]
    assert len(groups([*other, line(1.2, bare[1])])) == 3  # whose it is can't be told


def test_notes_that_mean_nothing_alone() -> None:
    aer = line(1.0, "pcieport 0000:40:01.1: AER: Corrected error received: 0000:41:00.0")
    assert groups([aer]) == []
    (group,) = groups([aer, xid(1.5, "41", "79, GPU has fallen off the bus.")])
    assert set(group.codes) == {"aer", "xid:79"}
    fatal = "nvidia 0000:41:00.0: PCIe Bus Error: severity=Uncorrectable (Fatal), type=Transaction Layer"
    (own,) = groups([line(1.0, fatal)])
    assert own.action == "investigate"


def test_hosts_of_one_collected_log_stay_apart() -> None:
    lines = [
        f"Feb 23 16:24:18 {host} kernel: NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus."
        for host in ("a", "b")
    ]
    found = aami_xid.group(aami_xid.read(lines, year=2025))
    assert [(group.host, group.title) for group in found] == [
        ("a", "GPU 0000:c1:00 lost"),
        ("b", "GPU 0000:c1:00 lost"),
    ]


def test_another_boot_in_the_same_log_is_another_group() -> None:
    fault = "NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus."
    assert len(groups([line(5000.0, fault), line(20.0, fault)])) == 2


def test_without_times_the_order_of_lines_counts() -> None:
    lost = [text.split("] ", 1)[1] for text in LOST]
    (group,) = groups(lost)
    assert (group.title, group.first.time_kind) == ("GPU 0000:c1:00 lost", None)
    again = "NVRM: Xid (PCI:0000:01:00): 31, pid=1, name=a, Ch 00000001"
    other = "NVRM: Xid (PCI:0000:{:02x}:00): 43, pid=1, name=a, Ch 00000001"
    between = [other.format(number % 2 + 2) for number in range(40)]
    apart = groups([again, *between, again])
    assert [group.root.bus_id for group in apart].count("0000:01:00") == 1  # the same code: no clock ran
    switching = [
        text for number in range(20) for text in (other.format(2), other.format(3).replace("43,", "13,"))
    ]
    assert [group.root.bus_id for group in groups([again, *switching, again])].count("0000:01:00") == 2


def test_rules_are_data() -> None:
    rules = {**table("groups"), "links": [], "gap_s": {"default": 1}}
    found = aami_xid.group(aami_xid.read(LOST), rules)
    assert len(found) == 9  # the lost GPU, the switches, and every peer


def test_events_are_numbered_in_the_order_they_came() -> None:
    events = list(aami_xid.read(LOST))
    assert [event.index for event in events] == list(range(len(events)))
