"""Decoders: what the driver's own text means, family by family, and that what has no meaning is said to have none."""

from typing import Any

import pytest

import aami_xid


def fields(code: int, text: str, driver: str | None = None) -> dict[str, Any]:
    return aami_xid.decode_text(code, text, driver)


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (13, "Graphics SM Warp Exception on (GPC 2, TPC 3): Illegal Instruction Parameter", {"gpc": 2, "tpc": 3, "shape": "warp"}),
        (13, "Graphics SM Warp Exception on (GPC 2, CPC 0, TPC 3, SM 1): x", {"gpc": 2, "cpc": 0, "tpc": 3, "sm": 1}),
        (13, "Graphics Exception: ESR 0x1=0x11f000b 0x2=0x0", {"reason": "Illegal Instruction Parameter", "judged": ["reason"]}),
        (13, "Graphics Exception: ESR 0x1=0x11f0099 0x2=0x0", {"shape": "esr", "reason": None}),
        (13, "Graphics Exception: ChID 000c, Class 0000c197, Offset 00000000, Data 00000000", {"class_kind": "3D graphics", "channel": "0x0000000c"}),
        (13, "Graphics Exception: Shader Program Header 1 Error", {"reason": "Shader Program Header 1 Error"}),
        (13, "something new", {"undecoded": "no known form of a graphics exception"}),
        (69, "Class Error: ChId 0008, Class 0000a097, Offset 00000184, Data ffffffff, ErrorCode 00000004", {"error_code": "0x00000004"}),
        (31, "Ch 00000008, engmask 00000101, intr 10000000", {"intr": "0x10000000", "undecoded": "no MMU fault details in this line"}),
        (31, "MMU Fault: ENGINE CE0 HUBCLIENT_HOST faulted @ 0x0000000000001000. FAULT_PTE ACCESS_TYPE_ATOMIC", {"fault": "FAULT_PTE", "access": "ATOMIC", "address": "0x1000"}),
        (31, "MMU Fault: ENGINE CE0 HUBCLIENT_X faulted @ 0x1_00000000. Fault is of type FAULT_NEW ACCESS_TYPE_VIRT_READ", {"undecoded": "no reading for fault type FAULT_NEW"}),
        (32, "Channel ID 0000000d intr0 00040000", {"interrupts": {"intr0": "0x00040000"}}),
        (45, "Ch 00000001", {"cleanup": True}),
        (51, "BAD_TSG encountered on runlist: 0 with error code: 4", {"runlist": 0, "error_code": 4}),
        (48, "Double Bit ECC Error at physAddr 0x0000_0000_0123_4567, partition 1, subpartition 2", {"address": "0x1234567", "partition": 1, "subpartition": 2}),
        (48, "GSP-RISCV uncorrectable ECC error", {"memory": "SRAM", "unit": "GSP-RISCV"}),
        (92, "Disabling ECC single-bit error interrupts in framebuffer at logical partition 3, due to high error rate", {"partition": 3}),
        (94, "Contained SRAM ECC error", {"contained": True, "memory": "SRAM"}),
        (94, "Contained: PMU (0x0). physAddr: 0x1234 RST: Yes, D-RST: No", {"reset_required": True, "action": "reset-gpu", "address": "0x1234"}),
        (95, "Uncontained: FBHUB (0x0, 0x0). RST: No, D-RST: No", {"reset_required": False, "action": "tell-user"}),
        (94, "Contained: DED CBC (0x1, 0x0). RST: No, D-RST: Yes", {"drain_and_reset": True, "action": "drain-and-reset"}),
        (95, "Uncontained: LTC TAG (0x2,0x1). RST: Yes", {"reset_required": True, "unit_ids": ["0x2", "0x1"]}),
        (95, "Uncontained: LTC TAG (0x2, 0x1).", {"action": None, "note": "the line was cut before RST and D-RST: the code alone decides"}),
        (94, "Contained: NEW UNIT (0x1). RST: No, D-RST: No", {"undecoded": "the unit 'NEW UNIT' is in no published table"}),
        (171, "HBM, Uncorrectable DRAM error in FBPA 6 subpartition 0 physAddr 0x13fe7fbde0", {"fbpa": 6, "memory": "DRAM", "unit": "HBM"}),
        (63, "Dynamic Page Retirement: New page retired, reboot to activate (0x00000000000c8b7e).", {"repair": "page", "active_after": "node-reboot"}),
        (64, "Dynamic Page Retirement: Fatal error, unable to retire page (0x00000000000c8b7e).", {"recorded": False, "action": "service"}),
        (64, "Row Remapper Error: (0x0000000000abcdef) - Row Remapping table is full", {"why": "table-full", "action": "service"}),
        (64, "Row Remapper Error: (0x0000000000abcdef) - Internal inforom error", {"why": "inforom-full"}),
        (64, "DRAM Retirement failed due to pending row remap at 0x0000000000001234", {"why": "waits-for-reset", "action": "reset-gpu", "address": "0x1234"}),
        (64, "DRAM Retirement failed due to no spare for retirement at 0x0000000000001234", {"why": "no-spare"}),
        (156, "Retiring TPC 4 from GPC 2 with a spare from the same GPC.", {"tpc": 4, "gpc": 2, "spare_from": "same-gpc"}),
        (157, "Unable to retire TPC 4 from GPC 2 in MIG mode as there are no spare TPCs in the same GPC.", {"mig": True, "recorded": False}),
        (161, "Repairing LTS failed as there are no more spare L2 slices.", {"why": "no-spare", "action": "service"}),
        (109, "Ch 00000008, errorString CTX SWITCH TIMEOUT, Info 0x58005", {"error": "CTX SWITCH TIMEOUT", "info": "0x58005"}),
        (119, "Timeout after 6s of waiting for RPC response from GPU4 GSP! Expected function 76 (GSP_RM_CONTROL) sequence 33 (0x20801813 0x4c).", {"sequence": 33, "waiting_for": "control call"}),
        (119, "Timeout after 6s of waiting for RPC response from GPU4 GSP! Expected function 9999 (NEW_ONE) (0x1 0x2).", {"undecoded": "GSP function 9999 has no reading of ours"}),
        (175, "Timeout after 6s of waiting for RPC response from GPU4 GSP!", {"seconds": 6, "gpu_index": 4}),
        (120, "GSP kernel exception: load access fault (cause:0x5) @ pc:0x13ebd80, partition:2#0", {"where": "kernel", "cause": "0x5"}),
        (119, "Timeout after 60s of waiting for RPC response from GPU0 GSP! Expected function 4097 (GSP_INIT_DONE) (0x0 0x0).", {"waiting_for": "the end of the firmware's own start", "data_means": None}),
        (120, "GSP-RM Heartbeat Timeout detected", {"what": "heartbeat", "source": "GSP-RM"}),
        (120, "GSP firmware fault detected", {"what": "firmware fault", "undecoded": None}),
        (120, "GSP task exception", {"where": "task", "undecoded": "the line does not say which exception"}),
        (175, "GPU memory subsystem timeout (type 3) detected", {"type": 3, "judged": ["reading"], "undecoded": None}),
        (140, "Poison error in GSP.", {"poison": True, "unit": "GSP"}),
        (172, "SM ICACHE, Uncorrectable SRAM error in GPC 7 TPC 6", {"unit": "SM ICACHE", "memory": "SRAM", "gpc": 7, "tpc": 6}),
        (172, "Uncorrectable SRAM error", {"memory": "SRAM", "unit": None}),
        (171, "Double Bit ECC Error in FBPA 4 subpartition 1", {"memory": "DRAM", "fbpa": 4}),
        (94, "Contained ECC error", {"contained": True, "memory": None}),
        (31, "MMU Fault: ENGINE GRAPHICS GPC1", {"engine": "GRAPHICS", "gpc": 1, "undecoded": "the line names no fault type"}),
        (31, "MMU Fault: ENGINE CE0 HUBCLIENT_CE1 faulted @ 0x1_20010000. Fault is of type FAULT_PTE ACCESS_TYPE_VIRT", {"client": "HUBCLIENT_CE1", "access": "VIRT"}),
        (179, "C2C containment detected. Containment code 0x4", {"link": "C2C", "containment_code": "0x4"}),
        (182, "PCIE_RESET_FAILURE: Classification: 3, Recommendation: Perform SBR", {"classification": 3, "recommends": "Perform SBR", "certain": True}),
        (62, "0096(1c54) 00000000 00000000", {"words": ["0096(1c54)", "00000000", "00000000"]}),
        (143, "FSP fuse error check has failed. Status = 0x1", {"status": "0x1"}),
        (137, "TLC RX interrupt hit on link 3 on GPU2: PRIV Error", {"unit": "TLC RX", "link": 3, "gpu_index": 2}),
        (121, "anything", {"undecoded": "no known form of a firmware report (Xid 121)"}),
        (162, "anything", {"undecoded": "Xid 162 has no decoder"}),
        (999, "anything", {"undecoded": "Xid 999 is in no published table"}),
        (48, "", {"undecoded": "the line ends after the code"}),
    ],
)  # fmt: skip
def test_a_text(code: int, text: str, expected: dict[str, Any]) -> None:
    found = fields(code, text)
    assert {name: found.get(name) for name in expected} == expected


MMU = "MMU Fault: ENGINE GRAPHICS GPC1 GPCCLIENT_T1_3 faulted @ {}. Fault is of type {} ACCESS_TYPE_{}"


@pytest.mark.parametrize(
    ("address", "fault", "access", "words", "poison"),
    [
        ("0x7e9f_4f200000", "FAULT_PDE", "VIRT_READ", "not mapped", False),
        ("0x0_00000010", "FAULT_PDE", "VIRT_WRITE", "null pointer", False),
        ("0x7e9f_4f200000", "FAULT_PTE", "VIRT_PREFETCH", "prefetch", False),
        ("0x7e9f_4f200000", "FAULT_RO_VIOLATION", "VIRT_WRITE", "read-only", False),
        ("0x7e9f_4f200000", "FAULT_INFO_TYPE_POISONED", "VIRT_READ", "48, 94 and 95", True),
    ],
)
def test_readings_of_a_page_fault(address: str, fault: str, access: str, words: str, poison: bool) -> None:  # noqa: FBT001 - a column
    found = fields(31, MMU.format(address, fault, access))
    assert words in found["reading"]
    assert found["poison"] is poison
    assert (found["gpc"], found["judged"]) == (1, ["reading", "at"])


def registers(**values: int) -> str:
    words = ", ".join(hex(values.get(f"r{number}", 0)) for number in range(1, 8))
    return f"NVLink: fatal error detected on link 14({words})"


@pytest.mark.parametrize(
    ("values", "kind", "action"),
    [
        ({"r1": 1 << 20}, "secondary", "investigate"),
        ({"r1": 1 << 23}, "ignore", "none"),
        ({"r1": 1 << 8}, "hardware", None),
        ({"r1": 1 << 8 | 1 << 23}, "hardware", None),
        ({"r3": 1 << 16}, "diag-repeated", None),
        ({"r4": 1 << 18, "r1": 1 << 8}, "fabric-reset", "reset-fabric"),
        ({"r5": 1 << 20}, "threshold", "none"),
    ],
)
def test_link_registers(values: dict[str, int], kind: str, action: str | None) -> None:
    found = fields(74, registers(**values))
    assert kind in {bit["kind"] for bit in found["bits"]}
    assert found.get("action") == action
    assert "undecoded" not in found


def test_link_register_bits_without_a_meaning_are_named() -> None:
    found = fields(74, registers(r1=1 << 23 | 1 << 31, r2=1))
    assert found["unknown_bits"] == ["R1 bit 31", "R2 bit 0"]
    assert "undecoded" in found
    assert "action" not in found  # a known harmless bit does not speak for an unknown one


@pytest.mark.parametrize(
    ("text", "number", "action"),
    [
        ("GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)", 1, "reset-gpu"),
        ("GPU recovery action changed from 0x0 (None) to 0x1 (PF FLR)", 1, "reset-gpu"),
        ("GPU recovery action changed from 0x0 (None) to 0x2 (OS Reboot)", 2, "reboot-node"),
        ("GPU recovery action changed from 0x0 (None) to 0x3 (Drain P2P)", 3, "drain-peers"),
        ("GPU recovery action changed from 0x4 (Drain and Reset) to 0x0 (None)", 0, "none"),
        ("GPU recovery action changed from 0x0 (None) to 0x5 (Recover IMEX Domain)", 5, "recover-imex"),
        ("GPU recovery action changed from 0x0 (None) to 0x6 (x)", 6, "bus-reset"),
        ("GPU recovery action changed from 0x0 (None) to 0x7", 7, "reboot-node"),
        ("GPU recovery action changed to 0x2 (Node Reboot Requi", 2, "reboot-node"),
        ("GPU recovery action changed from 0x0 (None) to 0x9 (New)", 9, "investigate"),
    ],
)
def test_recovery_action_goes_by_number(text: str, number: int, action: str) -> None:
    found = fields(154, text)
    assert (found["to"], found["action"]) == (number, action)
    assert ("undecoded" in found) == (number > 7)


def test_recovery_action_text_that_contradicts_its_number_is_noted() -> None:
    found = fields(154, "GPU recovery action changed from 0x0 (None) to 0x1 (Drain and Reset)")
    assert found["action"] == "reset-gpu"
    assert "number is believed" in found["note"]


@pytest.mark.parametrize("code", [71, 999])
def test_a_text_of_another_code_wins_over_the_number(code: int) -> None:
    event = aami_xid.parse(f"NVRM: Xid (PCI:0000:b9:00): {code}, NVLink: fatal error detected on link 6")
    assert (event.code, event.fields["text_of"], event.fields["link"]) == (code, 74, 6)


def test_a_text_behind_a_name_of_uncertain_end_is_not_decoded() -> None:
    event = aami_xid.parse("NVRM: Xid (PCI:0000:01:00): 94, pid=1, name=a, b, something unheard of")
    assert "undecoded" in event.fields
    assert event.channel is None


@pytest.mark.parametrize(
    "row",
    [
        (20034, "Fatal, Link 30 LTSSM Fault Up", "fatal", "line", "port", "report"),
        (20034, "Non-fatal, Link 30 LTSSM Fault Up", "non-fatal", "line", "port", "report"),
        (20034, "Severity 1 Engine instance 60 Sub-engine instance 00", "fatal", "level", "port", "engine"),
        (20034, "Data {0x10000000, 0x10000000}", "fatal", "table", "port", "data"),
        (12020, "Fatal, Link 46 egress sequence ID error", "fatal", "line", "switch", "report"),
        (12020, "Data {0x1}", None, None, "switch", "data"),
        (12028, "Data {0x1}", "non-fatal", "table", "port", "data"),
        (23009, "Fatal, x", "fatal", "line", "switch", "report"),
        (10004, "Temp higher than WARN Threshold", None, None, "unknown", "report"),
        (10001, "Non-fatal, PRI WRITE SYS error", "non-fatal", "line", "unknown", "report"),
        (10001, "Fatal, Link 3 x", "fatal", "line", "port", "report"),
        (99999, "Correctable, Link 3 x", "correctable", "line", "port", "report"),
    ],
)
def test_switch_reports(row: tuple[int, str, str | None, str | None, str, str]) -> None:
    code, text, severity, origin, scope, part = row
    event = aami_xid.parse(f"nvidia-nvswitch0: SXid (PCI:0000:05:00.0): {code}, {text}")
    told = event.fields
    assert (told["severity"], told.get("severity_from"), told["scope"], told["part"]) == (
        severity,
        origin,
        scope,
        part,
    )
    assert ("undecoded" in told) == (severity is None)


def test_a_switch_report_with_an_instance_and_the_first_mark() -> None:
    found = aami_xid.parse(
        "nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 10001, Non-fatal, PRI WRITE SYS error, instance=3, chiplet=1 (First)"
    ).fields
    assert (found["instance"], found["first"], found.get("link")) == (3, True, None)
