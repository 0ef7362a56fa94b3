"""Faults of other tools' checks that were dead or wrong in the field: each one is seen here, or not seen, as it should."""

from __future__ import annotations

from typing import Any

import pytest

from aami_slurm.job import JobRun
from tests.aami_slurm.checks.worlds import BUS_IDS, UUIDS, event, found, healthy, world

BROKEN: dict[str, tuple[str, Any]] = {
    "ecc-uncorrectable": ("ecc_uncorrectable", 1),
    "recovery-action": ("recovery_action", 1),
    "row-remap-failure": ("remap", {"failure": True}),
    "row-remap-pending": ("remap", {"pending": True}),
    "nvlink-down": ("links", [{"link": 0, "active": False}]),
    "thermal": ("temperature", 99),
    "gpu-count": ("trouble", "gpu-is-lost"),
    "gpu-identity": ("serial", "other"),
}


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("check", BROKEN)
def test_a_failure_on_any_one_gpu_is_seen_not_only_on_the_first(check: str, index: int) -> None:
    key, value = BROKEN[check]
    facts = world({"gpus": {index: {key: value}}})
    assert [(one["gpu"], one["gpu_uuid"]) for one in found(check, facts)] == [(index, UUIDS[index])]


@pytest.mark.parametrize("index", range(8))
def test_a_gpu_off_the_bus_is_seen_wherever_it_was(index: int) -> None:
    facts = world({"pci": {index: {"config": "f" * 128}}})
    assert [one["gpu"] for one in found("pcie-gone", facts)] == [index]


def test_several_uncorrectable_errors_are_counted_not_read_from_a_column_that_is_not_there() -> None:
    facts = world({"gpus": {1: {"ecc_uncorrectable": 5}, 6: {"ecc_uncorrectable": 1}}})
    told = found("ecc-uncorrectable", facts)
    assert [one["evidence"]["raw"] for one in told] == ["ecc_uncorrectable=5", "ecc_uncorrectable=1"]


def test_a_recovery_action_of_none_is_not_critical() -> None:
    line = "NVRM: Xid (PCI:0000:c3:00): 154, GPU recovery action changed from 0x0 (None) to 0x0 (None)"
    assert found("xid", world({"kernel": [{"line": line}]})) == []


def test_a_fault_of_before_is_not_found_again_at_every_look() -> None:
    line = "NVRM: Xid (PCI:0000:c3:00): 79, GPU has fallen off the bus."
    assert found("xid", world({"kernel": [{"line": line, "ago_s": 3601}]})) == []
    recent = world({"kernel": [{"line": line, "ago_s": 700}]})
    assert found("xid", recent) != []
    assert found("xid", recent, {"fresh_s": 600}) == []


def test_every_gpu_of_a_kernel_log_is_told_not_the_newest_line_of_a_code() -> None:
    lines = [f"NVRM: Xid (PCI:{bus_id}): 48, pid=1, name=a, DBE" for bus_id in BUS_IDS]
    told = found("xid", world({"kernel": [{"line": line} for line in lines]}))
    assert sorted(one["gpu"] for one in told) == list(range(8))


def test_a_second_identical_line_is_a_second_event() -> None:
    line = "NVRM: Xid (PCI:0000:c3:00): 48, pid=1, name=a, DBE"
    (told,) = found("xid", world({"kernel": [{"line": line}, {"line": line}]}))
    assert (told["evidence"]["count"], told["evidence"]["seq"]) == (2, 2)
    assert "(2 times)" in told["summary"]


def test_uuids_in_a_jobs_environment_are_no_numbers_to_a_check() -> None:
    facts = world({"phase": "prolog", "job_gpus": [5], "gpus": {5: {"ecc_uncorrectable": 1}}})
    facts.job = JobRun({"SLURM_JOB_ID": "1", "SLURM_JOB_GPUS": UUIDS[5], "CUDA_VISIBLE_DEVICES": UUIDS[5]})
    assert [one["gpu"] for one in found("ecc-uncorrectable", facts)] == [5]


def test_a_gpu_that_the_driver_renumbered_keeps_the_number_that_the_inventory_has() -> None:
    facts = world({"inventory": {5: {"nvml_index": 4}}, "gpus": {5: {"ecc_uncorrectable": 1}}})
    assert [one["gpu"] for one in found("ecc-uncorrectable", facts)] == [4]
    facts = world({"inventory": {5: {"nvml_index": None, "slurm_index": 5}}, "gpus": {5: None}})
    assert [one["gpu"] for one in found("gpu-count", facts)] == [5]


OLD_CARD = {"present": False, "nvml_index": None, "slurm_index": None}  # as known from an older boot


@pytest.mark.parametrize(("expected", "outcome"), [(7, "warn"), (8, "fail")], ids=["met", "not-met"])
@pytest.mark.parametrize("job_gpus", [None, [3]], ids=["health", "of-a-job"])
def test_a_card_taken_out_before_this_boot_drains_only_where_slurm_counts_on_it(
    job_gpus: list[int] | None, expected: int, outcome: str
) -> None:
    case: dict[str, Any] = {"inventory": {3: OLD_CARD}, "gpus": {3: None}, "pci": {3: {"present": False}}}
    case["facts"] = {"expected_gpus": expected}
    facts = world(case if job_gpus is None else {**case, "phase": "prolog", "job_gpus": job_gpus})
    if job_gpus is not None:  # a job's look is at its GPUs alone
        facts.gpus, facts.pci = (
            dict(facts.gpus or {}, gpus=[], whole=False),
            {BUS_IDS[3]: facts.pci[BUS_IDS[3]]},
        )
    for check in ("gpu-count", "pcie-gone"):
        assert [(one["outcome"], one["gpu_uuid"]) for one in found(check, facts)] == [(outcome, UUIDS[3])]


def test_slurm_counts_mig_devices_where_cards_are_cut() -> None:
    layout = [{"uuid": f"MIG-{part}", "gi": part, "ci": 0} for part in range(7)]
    cut = {index: {"mig": layout} for index in range(8)}
    for expected, outcome in ((49, "warn"), (56, "fail")):
        facts = world(
            {"inventory": {**cut, 3: OLD_CARD}, "gpus": {**cut, 3: None}, "pci": {3: {"present": False}}}
        )
        facts.expected_gpus = expected
        assert [one["outcome"] for one in found("gpu-count", facts)] == [outcome]
        assert [one["outcome"] for one in found("pcie-gone", facts)] == [outcome]


def test_a_card_in_the_place_of_one_of_an_older_boot_is_judged_as_itself() -> None:
    old = {**OLD_CARD, "bus_id": BUS_IDS[5]}
    facts = world({"inventory": {3: old}, "gpus": {3: None}, "facts": {"expected_gpus": 7}})
    assert found("gpu-identity", facts) == []
    facts.pci = {BUS_IDS[5]: {"present": False, "config": None, "error": None}}
    assert [(one["outcome"], one["gpu_uuid"]) for one in found("pcie-gone", facts)] == [("fail", UUIDS[5])]


def test_a_card_that_moved_over_a_reboot_and_answers_late_is_no_other_card() -> None:
    facts = world({"inventory": {3: {**OLD_CARD, "bus_id": "0000:ee:00"}}})
    assert found("gpu-identity", facts) == []


def test_all_links_of_all_gpus_are_looked_at() -> None:
    down = [{"link": link, "active": link != 17} for link in range(18)]
    told = found("nvlink-down", world({"gpus": {7: {"links": down}}}))
    assert [(one["outcome"], one["gpu"], one["summary"]) for one in told] == [
        ("fail", 7, "17 of 18 NVLinks are up; down: 17")
    ]


def test_a_mig_job_is_judged_by_the_card_it_is_on() -> None:
    layout = [{"uuid": "MIG-1", "gi": 1, "ci": 0}]
    facts = world({"phase": "prolog", "gpus": {5: {"mig": layout, "ecc_uncorrectable": 1}}})
    facts.job_gpus = frozenset(["MIG-1"])
    assert [one["gpu"] for one in found("ecc-uncorrectable", facts)] == [5]


def test_a_tools_failure_is_no_hardware_failure() -> None:
    facts = healthy()
    facts.trouble = {"gpus": "OSError: libnvidia-ml.so.1: cannot open shared object file"}
    for check in ("gpu-count", "ecc-uncorrectable", "recovery-action", "driver-answers"):
        assert [one["outcome"] for one in found(check, facts)] == ["error"]


def test_a_setting_that_differs_is_no_fault() -> None:
    facts = world({"gpus": {index: {"ecc_mode": False, "ecc_uncorrectable": None} for index in range(8)}})
    assert found("ecc-uncorrectable", facts) == []


def test_a_reading_that_does_not_say_when_proves_nothing_about_now() -> None:
    for when in (None, "now", -5, 10**30):
        facts = world({"gpus": {5: {"ecc_uncorrectable": 1}}, "reading": {"mono_us": when}})
        (told,) = found("ecc-uncorrectable", facts)
        assert (told["evidence"]["mono_us"], told["evidence"]["time"]) == (None, None)


def test_the_wall_time_of_a_reading_is_its_own() -> None:
    facts = world(
        {"gpus": {5: {"ecc_uncorrectable": 1}}, "reading": {"mono_us": 900_000_000_000 - 30_000_000}}
    )
    (told,) = found("ecc-uncorrectable", facts)
    assert told["evidence"]["time"] == "2026-11-18T11:06:10.000Z"


def test_an_event_of_the_log_keeps_its_line_its_number_and_its_time() -> None:
    line = "NVRM: Xid (PCI:0000:c3:00): 79, pid=1234, name=python, GPU has fallen off the bus."
    facts = healthy()
    facts.kernel = [event(41, line, ago_s=2)]
    (told,) = found("xid", facts)
    evidence = told["evidence"]
    assert line in evidence["raw"]
    assert (evidence["source"], evidence["seq"], evidence["time"]) == ("kmsg", 41, "2026-11-20T03:04:05.678Z")
    assert evidence["mono_us"] == facts.mono_us - 2_000_000


def test_a_second_lost_gpu_is_a_root_of_its_own() -> None:
    """A drain that another GPU's Xid 79 has covered must not make the next one a mere follower."""
    lines = [f"NVRM: Xid (PCI:{BUS_IDS[gpu]}): 79, GPU has fallen off the bus." for gpu in (5, 2)]
    told = found("xid", world({"kernel": [{"line": line} for line in lines]}))
    assert {one["gpu"]: one["severity"] for one in told} == {5: "fatal", 2: "fatal"}
