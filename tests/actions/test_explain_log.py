"""`explain log`: groups from files of every kind, in time, for one GPU; what can't be read is said."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

import aami_xid
from aami_hpc.actions import explain_log
from aami_hpc.actions.explain_sources import Reading, sources
from aami_hpc.config import load
from aami_hpc.errors import CommandFailed, PermissionRefused, StorageFault, UsageFault
from aami_hpc.render.plain import to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aami_hpc.actions.result import Result
    from aami_xid.event import Event

UUID = "GPU-b6c3b2be-c55b-d076-fa0e-d464e4c7e08b"
LOST = f"""\
2026-11-20T03:00:00.000000+00:00 gpu-007 kernel: NVRM: GPU at PCI:0000:c1:00: {UUID}
2026-11-20T03:00:00.000100+00:00 gpu-007 kernel: NVRM: GPU Board Serial Number: 1653723052734
2026-11-20T03:00:01.000000+00:00 gpu-007 kernel: NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus.
2026-11-20T03:00:02.000000+00:00 gpu-007 kernel: NVRM: Xid (PCI:0000:c2:00): 74, pid='<unknown>', name=<unknown>, NVLink: fatal error detected on link 1
2026-11-20T03:00:02.100000+00:00 gpu-007 kernel: nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 30 LTSSM Fault Up
"""
BUG = "2026-11-20T05:00:00.000000+00:00 gpu-007 kernel: NVRM: Xid (PCI:0000:c3:00): 31, pid=7, name=a.out, Ch 00000001, intr 00000000. MMU Fault: ENGINE GRAPHICS GPC1 GPCCLIENT_T1_1 faulted @ 0x7_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ\n"
NOISE = "2026-11-20T04:00:00.000000+00:00 gpu-007 kernel: usb 1-1: new device, says Xid\n"


def result(*files: Path, **options: Any) -> Result:
    asked = sources(lambda: load(None, environ={}), files)
    return explain_log.run(asked, **options)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "kern.log"
    path.write_text(LOST + NOISE + BUG)
    return path


def test_groups_newest_last_with_identity_story_and_need(log: Path) -> None:
    found = result(log)
    text = to_text(found.document)
    assert not found.yes
    assert text.index("GPU 0000:c1:00 lost") < text.index("GPU 0000:c3:00")
    assert f"0000:c1:00 is {UUID}, serial number 1653723052734; also on" in " ".join(text.split())
    assert "2026-11-20T03:00:01Z to 2026-11-20T03:00:02.100000Z, 3 lines, gpu-007" in text
    assert "aami-hpc explain 79 74 20034" in text
    assert text.endswith("\n2 fault groups in 4 lines. 1 needs action.\n")
    assert max(map(len, text.splitlines())) <= 80


def test_a_lost_gpu_is_not_promised_to_come_back_by_a_reset(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text(
        "[  1.0] NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus.\n"
        "[  1.1] NVRM: Xid (PCI:0000:c1:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)\n"
    )
    text = " ".join(to_text(result(path).document).split())
    assert (
        "NEEDS drain the node, then reset the GPU as the driver asks; it has left the bus, so expect to"
        in text
    )
    (group,) = result(path, whole=True).data["incidents"]
    assert group["action"] == "reset-gpu"


def test_the_data(log: Path) -> None:
    data = result(log, whole=True).data
    assert [event["code"] for event in data["events"]] == [None, None, 79, 74, 20034, 31]
    first, second = data["incidents"]
    assert (first["root"]["code"], first["severity"], second["root"]["code"]) == (79, "fatal", 31)
    assert first["gpus"][0] == {"bus_id": "0000:c1:00", "uuid": UUID, "serial": "1653723052734"}
    assert first["events"] == [2, 3, 4]
    assert {"root", "severity", "action", "gpus", "events", "summary"} <= set(first)
    assert {
        "kind", "code", "bus_id", "mig", "pid", "process", "caused_by", "time", "time_kind", "fields", "raw",
    } <= set(data["events"][0])  # fmt: skip
    assert "\n" not in data["events"][2]["raw"]


def test_nothing_that_needs_anybody_is_yes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(BUG)
    assert result(path).yes
    path.write_text(NOISE)
    quiet = result(path)
    assert quiet.yes
    assert to_text(quiet.document) == "No fault of a GPU or NVSwitch in this log.\n"


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress], ids=["gz", "xz", "bz2"])
def test_packed_files(log: Path, pack: Callable[[bytes], bytes]) -> None:
    packed = log.with_name("named.wrongly")
    packed.write_bytes(pack(log.read_bytes()))
    assert result(packed).document == result(log).document


def test_zstd(log: Path) -> None:
    packed = log.with_suffix(".zst")
    subprocess.run(["zstd", "-q", log, "-o", packed], check=True)
    assert result(packed).document == result(log).document
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(CommandFailed):
        result(packed)


def test_zstd_without_the_program(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write_bytes(b"\x28\xb5\x2f\xfd")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CommandFailed, match="zstd can't be run"):
        result(log)


def test_a_file_that_ends_too_early_is_told_as_far_as_it_goes(log: Path) -> None:
    packed = log.with_suffix(".gz")
    noise = "".join(f"{os.urandom(40).hex()}\n" for _ in range(20000))
    packed.write_bytes(gzip.compress((LOST + noise).encode())[:-1000])
    found = result(packed)
    assert "GPU 0000:c1:00 lost" in to_text(found.document)
    assert "ends too early" in to_text(found.document)
    packed.write_bytes(gzip.compress(LOST.encode())[:40])
    with pytest.raises(StorageFault):
        result(packed)


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(StorageFault):
            result(path)


def test_rotated_files_are_read_from_the_oldest(tmp_path: Path) -> None:
    new, old = tmp_path / "messages", tmp_path / "messages.1"
    new.write_text(LOST.splitlines(keepends=True)[3])
    old.write_text("".join(LOST.splitlines(keepends=True)[:3]))
    os.utime(old, (1, 1))
    assert len(result(new, old, whole=True).data["incidents"]) == 1


def test_since_and_until(log: Path) -> None:
    early = result(log, until="2026-11-20T04:00:00Z", whole=True).data
    assert [one["root"]["code"] for one in early["incidents"]] == [79]
    late = result(log, since="2026-11-20T04:00:00Z", whole=True).data
    assert [one["root"]["code"] for one in late["incidents"]] == [31]
    assert late["remarks"] == []
    with pytest.raises(UsageFault):
        result(log, since="soon")


def test_lines_without_a_date_stay_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "dmesg"
    path.write_text("[1.0] NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus.\n")
    found = result(path, since="2h")
    assert "GPU 0000:c1:00 lost" in to_text(found.document)
    assert "1 line without a date" in to_text(found.document)


def test_a_year_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    path.write_text(
        "Nov 20 03:00:00 n1 kernel: NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus.\n"
    )
    event = result(path, year=2024, whole=True).data["events"][0]
    assert (event["time"][:4], event["time_kind"]) == ("2024", "assumed")
    os.utime(path, (1700000000, 1700000000))  # November 2023
    assert result(path, whole=True).data["events"][0]["time"][:4] == "2022"


@pytest.mark.parametrize("gpu", ["c1:00", "0000:C1:00", "00000000:c1:00.0", "PCI:0000:c1:00"])
def test_one_gpu(log: Path, gpu: str) -> None:
    data = result(log, gpu=gpu, whole=True).data
    assert [one["root"]["code"] for one in data["incidents"]] == [79]
    assert [data["events"][index]["code"] for index in data["incidents"][0]["events"]] == [79, 74, 20034]
    assert "0000:c3:00" not in to_text(result(log, gpu=gpu).document)


def test_what_is_no_bus_id(log: Path) -> None:
    with pytest.raises(UsageFault, match="no bus id"):
        result(log, gpu="gpu3")


def test_only_so_many_groups_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        "".join(
            f"[{number * 5000}.0] NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus.\n"
            for number in range(1, explain_log._SHOWN + 6)
        )
    )
    text = to_text(result(path).document)
    assert text.count("GPU 0000:c1:00 lost") == explain_log._SHOWN
    assert "5 older groups are counted but not shown" in text
    assert "What comes again" in text
    assert text.endswith(f"{explain_log._SHOWN + 5} fault groups in 205 lines. 205 need action.\n")


def test_names_of_processes_act_on_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(
        b"[1.0] NVRM: Xid (PCI:0000:c1:00): 31, pid=1, name=\x1b[2J\xff\n, Ch 1\n" + BUG.encode()
    )
    assert "\x1b" not in to_text(result(path).document)


def test_sources_do_not_mix(tmp_path: Path) -> None:
    def settings() -> Any:
        raise AssertionError("no configuration is needed")

    for options in ({"journal": True}, {"kernel": True}, {"nodes": "n1"}):
        with pytest.raises(UsageFault, match="combined"):
            sources(settings, [tmp_path], **options)
    assert len(sources(settings, [], kernel=True)) == 1


def test_a_journal_that_shows_nothing_is_no_healthy_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(PermissionRefused):
        journal()


def test_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = '{"_TRANSPORT":"kernel","SYSLOG_FACILITY":"0","__REALTIME_TIMESTAMP":"1700000000000000","_HOSTNAME":"n1","MESSAGE":"NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus."}'
    program(
        tmp_path, f'echo "$*" >> {tmp_path}/calls; case "$*" in *cat*) echo x;; *) echo \'{entry}\';; esac'
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    data = journal(since="2023-01-01T00:00:00Z")
    assert data["incidents"][0]["root"]["code"] == 79
    assert data["events"][0]["host"] == "n1"
    assert "--since=@1672531200" in (tmp_path / "calls").read_text()


def program(folder: Path, body: str) -> None:
    path = folder / "journalctl"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def journal(**options: Any) -> dict[str, Any]:
    asked = sources(lambda: load(None, environ={}), [], journal=True)
    data: dict[str, Any] = explain_log.run(asked, whole=True, **options).data
    return data


def test_a_part_that_was_not_read_is_no_yes() -> None:
    def partly(reading: Reading) -> list[Any]:
        reading.partial = True
        reading.remarks.append("n2 was not read: connection refused.")
        return []

    found = explain_log.run([partly])
    assert not found.yes
    assert "n2 was not read" in to_text(found.document)


def test_memory_does_not_grow_with_the_log() -> None:
    """Twice as many groups as are shown need hardly more than ten times as many do."""
    few, many = (peak(explain_log._SHOWN * times) for times in (2, 10))
    assert many < 1.3 * few


def peak(groups: int) -> int:
    def lines(reading: Reading) -> Iterator[Event]:
        return aami_xid.read(
            b"[%d.0] NVRM: Xid (PCI:0000:%02x:00): 79, GPU has fallen off the bus."
            % (number * 5000, number % 8)
            for number in range(groups)
        )

    tracemalloc.start()
    try:
        explain_log.run([lines])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
