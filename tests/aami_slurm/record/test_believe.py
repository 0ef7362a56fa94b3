"""What a hook believes of the kernel log: a driver's form with a bus id of this node. Everything else moves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aami_slurm import kernel_log
from tests.aami_slurm.record.support import Memory, bus_id, check_lines, held, inventory, job, uuid, xid
from tests.xid.test_senders import ABOUT_A_PROCESS, NAMES

if TYPE_CHECKING:
    from pathlib import Path

SWITCH = "nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 30 LTSSM Fault Up"


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def journalled(
    memory: Memory, *messages: str, facility: int = 0, gpus: int | None = 8
) -> list[dict[str, Any]]:
    memory.says(*messages, facility=facility)
    memory.clock.sleep(1)
    with memory.book().open(0) as book:
        taken = kernel_log.take(book, str(memory.kmsg), None if gpus is None else inventory(gpus))
        book.commit()
    check_lines(memory)
    return taken.new


def test_a_believed_xid_has_everything_a_check_wants(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(7), held(5))
        book.start_run(job(8), held(0, 1))
        book.commit()
    (event,) = journalled(memory, xid(5, 79, "pid=77, name=python, GPU has fallen off the bus."))
    assert (event["kind"], event["code"], event["gpu_uuid"], event["gpu"]) == ("xid", 79, uuid(5), 5)
    assert (event["trust"], event["facility"], event["kernel_seq"], event["bus_id"]) == (
        "bus-id",
        0,
        0,
        bus_id(5),
    )
    assert (event["severity"], event["action"], event["time_kind"]) == ("fatal", "reboot-node", "monotonic")
    assert event["time"] == "2026-11-20T05:03:20.000Z"
    assert event["raw"].endswith(
        "NVRM: Xid (PCI:0000:c5:00): 79, pid=77, name=python, GPU has fallen off the bus."
    )
    assert event["jobs"] == [{"job_id": 7, "restart": 0, "user": "alice", "confidence": "gpu", "late": False}]
    with memory.book().open(0) as book:
        assert book.state.recent == [event]


def test_an_instance_of_a_cut_gpu_goes_with_the_event(memory: Memory) -> None:
    (event,) = journalled(
        memory, f"NVRM: Xid (PCI:{bus_id(2)} GPU-I:05 GPU-CI:01): 43, pid=1, name=x, Ch 00000008"
    )
    assert event["mig"] == {"gi": 5, "ci": 1}


def test_a_process_of_the_job_makes_it_exact(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(7), held(5))
        book.start_run(job(8), held(5))
        book.commit()
    folder = memory.root / "proc/77"
    folder.mkdir()
    (folder / "stat").write_text("77 (python) S 1 " + "0 " * 17 + "5 0 0\n")
    (folder / "cgroup").write_text("0::/system.slice/slurmstepd.scope/job_8/step_0/user/task_0\n")
    (event,) = journalled(memory, xid(5, 31))
    assert [(one["job_id"], one["confidence"]) for one in event["jobs"]] == [(8, "exact")]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("NVRM: Xid (PCI:0000:21:00): 79, GPU has fallen off the bus.", "not-in-inventory"),
        ("NVRM: Xid 119, pid=7, name=x, Timeout waiting for RPC from GSP!", "no-bus-id"),
        ("NVRM: Xid (PCI:nonsense): 79, GPU has fallen off the bus.", "no-bus-id"),
        ("NVRM: Xid (PCI:0000:c5:00): x79", "unreadable"),
        ("NVRM: GPU0 RmInitAdapter failed! (0x26:0x65:1477)", "no-bus-id"),
        (SWITCH, "no-such-switch"),
        ("usb 1-1: Product: " + xid(5, 79), "not-driver"),
    ],
)
def test_what_cannot_be_believed_is_kept_and_moves_nothing(memory: Memory, message: str, why: str) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(7), held(5))
        book.commit()
    (event,) = journalled(memory, message)
    assert (event["kind"], event["why"], event["gpu_uuid"], event["jobs"]) == ("unattributed", why, None, [])
    assert (event["would_be"] is None) == (why in {"unreadable", "not-driver"})
    with memory.book().open(0) as book:
        assert book.state.totals == {}


@pytest.mark.parametrize("text", ABOUT_A_PROCESS)
def test_the_kernel_about_a_process_named_like_a_report(memory: Memory, text: str) -> None:
    assert {event["kind"] for event in journalled(memory, text)} <= {"unattributed"}


@pytest.mark.parametrize("facility", [1, 3, 23])
def test_what_came_through_the_device_from_user_space_is_refused(memory: Memory, facility: int) -> None:
    (event,) = journalled(memory, xid(5, 79), facility=facility)
    assert (event["kind"], event["why"], event["facility"]) == ("unattributed", "not-kernel", facility)
    assert (event["code"], event["action"], event["would_be"]) == (None, "none", None)


def test_without_an_inventory_nothing_is_believed(memory: Memory) -> None:
    (event,) = journalled(memory, xid(5, 79), gpus=None)
    assert (event["kind"], event["why"]) == ("unattributed", "no-inventory")
    assert (event["would_be"], event["severity"], event["action"]) == ("xid", "fatal", "reboot-node")


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_process_name_stays_inside_its_field(memory: Memory, name: str) -> None:
    (event,) = journalled(memory, f"NVRM: Xid (PCI:{bus_id(5)}): 43, pid=42, name={name}, Ch 00000008")
    assert (event["kind"], event["code"], event["gpu"], event["pid"]) == ("xid", 43, 5, 42)
    assert event["raw"].isascii()
    assert event["raw"].isprintable()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("fallen-off", f"NVRM: GPU {bus_id(5)}.0: GPU has fallen off the bus."),
        (
            "pcie-slot",
            f"nvidia {bus_id(5)}.0: Unable to change power state from D3cold to D0, device inaccessible",
        ),
        ("probe-failed", f"nvidia: probe of {bus_id(5)}.0 failed with error -1"),
    ],
)
def test_companions_are_believed_like_xids_and_not_counted_as_such(
    memory: Memory, kind: str, message: str
) -> None:
    (event,) = journalled(memory, message)
    assert (event["kind"], event["gpu_uuid"], event["code"]) == (kind, uuid(5), None)
    with memory.book().open(0) as book:
        assert book.state.totals == {}


def test_a_sentence_over_several_records_is_one_event(memory: Memory) -> None:
    lines = [
        f"NVRM: The NVIDIA GPU {bus_id(5)}.0",
        "NVRM: (PCI ID: 10de:2330)",
        "NVRM: installed in this system has",
        "NVRM: fallen off the bus and is not responding to commands.",
    ]
    (event,) = journalled(memory, *lines)
    assert (event["kind"], event["gpu"], event["kernel_seq"]) == ("fallen-off", 5, 3)


@pytest.mark.parametrize(
    "message",
    [
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024", "NVRM: GPU Board Serial Number: 1320220000000",
        f"NVRM: GPU at PCI:{bus_id(5)}: GPU-00000000-0000-4000-8000-000000000005", "nvidia-nvswitch0: open", "nvidia-uvm: Loaded the UVM driver",
        "python3[77]: segfault at 0 ip 0 sp 0 error 4 in libnvidia-ml.so.1[7f00+1000]",
    ],
)  # fmt: skip
def test_lines_that_are_no_report_are_not_journalled(memory: Memory, message: str) -> None:
    assert journalled(memory, message) == []


def switch(memory: Memory, vendor: str, kind: str) -> None:
    folder = memory.root / "sys/bus/pci/devices/0000:05:00.0"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(vendor + "\n")
    (folder / "class").write_text(kind + "\n")


def test_a_switch_that_the_kernel_knows_is_believed(memory: Memory) -> None:
    switch(memory, "0x10de", "0x068000")
    with memory.book().open(0) as book:
        book.start_run(job(7), held(5))
        book.start_run(job(8), [])
        book.commit()
    (event,) = journalled(memory, SWITCH)
    assert (event["kind"], event["code"], event["severity"], event["gpu_uuid"]) == (
        "sxid",
        20034,
        "fatal",
        None,
    )
    assert [(one["job_id"], one["confidence"]) for one in event["jobs"]] == [(7, "node")]


@pytest.mark.parametrize(("vendor", "kind"), [("0x8086", "0x068000"), ("0x10de", "0x030200")])
def test_a_device_that_is_no_switch_has_no_sxids(memory: Memory, vendor: str, kind: str) -> None:
    switch(memory, vendor, kind)
    (event,) = journalled(memory, SWITCH)
    assert (event["kind"], event["why"]) == ("unattributed", "no-such-switch")


def test_an_xid_with_a_switchs_address_is_no_gpus(memory: Memory) -> None:
    switch(memory, "0x10de", "0x068000")
    (event,) = journalled(memory, "NVRM: Xid (PCI:0000:05:00): 79, GPU has fallen off the bus.")
    assert event["why"] == "not-in-inventory"


def test_users_cannot_fill_the_journal(memory: Memory) -> None:
    forged = ["NVRM: Xid 79: x[123]: segfault at 0 ip 0 sp 0 error 4 in x[1+1]"] * 500
    first = journalled(memory, *forged)
    assert (len(first), first[-1]["last"]) == (64, "further ones of this hour are not written")
    memory.forget_snapshot()
    real = [xid(5, 79), "NVRM: Xid 119, pid=7, name=x, Timeout waiting for RPC from GSP!"]
    assert [event["kind"] for event in journalled(memory, *forged, *real)] == ["xid", "unattributed"]
    memory.clock.sleep(3600)
    assert len(journalled(memory, *forged)) == 64


def test_a_long_line_is_cut_and_still_a_line(memory: Memory) -> None:
    (event,) = journalled(memory, xid(5, 31, "x\u00e9\u202e\x1b[31m" * 2000))
    assert len(event["raw"]) == 1024
    assert event["fields"]["cut"] is True
    assert event["raw"].isprintable()


def test_an_event_of_a_job_that_has_just_ended_is_late_and_its_own(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(7), held(5))
        memory.clock.sleep(100)
        book.end_run(job(7), "0:0")
        book.commit()
    memory.clock.sleep(10)
    (event,) = journalled(memory, xid(5, 31))
    assert [(one["job_id"], one["late"]) for one in event["jobs"]] == [(7, True)]
    with memory.book().open(0) as book:
        memory.clock.sleep(2)
        book.start_run(job(8), held(5))
        book.commit()
    (event,) = journalled(memory, xid(5, 31))
    assert [(one["job_id"], one["late"]) for one in event["jobs"]] == [(8, False)]
