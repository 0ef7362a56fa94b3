"""What comes again: groups and job runs are counted, not lines."""

from collections.abc import Mapping

import aami_xid
from aami_xid.repeat import Repeat
from aami_xid.story import Group

HOUR = 3600.0
FAULT = "NVRM: Xid (PCI:0000:{}:00): {}"
PAGE = "31, pid=7, name=a, Ch 00000001"
WARP = "13, Graphics SM Warp Exception on (GPC {}, TPC {}, SM 0): Out Of Range Address"


def groups(*faults: tuple[float, str, str]) -> list[Group]:
    return aami_xid.group(
        aami_xid.read(f"[{at:15.6f}] {FAULT.format(bus, text)}" for at, bus, text in faults)
    )


def repeats(found: list[Group], jobs: Mapping[int, str | None] | None = None) -> dict[str, Repeat]:
    """By rule; `jobs` names the job run of each group by its number."""
    numbered = {id(group): number for number, group in enumerate(found)}
    job_of = None if jobs is None else lambda group: jobs.get(numbered[id(group)])
    return {repeat.rule: repeat for repeat in aami_xid.repeats(found, job_of)}


def test_a_burst_is_one_incident() -> None:
    found = groups(*[(at / 10, "01", WARP.format(1, 3)) for at in range(100)])
    assert len(found) == 1
    assert repeats(found) == {}


def test_the_same_location_in_separate_incidents_points_to_the_hardware() -> None:
    found = groups((0, "01", WARP.format(1, 3)), (HOUR, "01", WARP.format(1, 3)))
    repeat = repeats(found)["same-location"]
    assert (repeat.verdict, len(repeat.groups)) == ("hardware-suspect", 2)
    assert repeat.to_dict()["where"] == [" 0000:01:00", "GPC 1", "TPC 3"]


def test_other_locations_another_gpu_or_another_day_do_not() -> None:
    for second in (
        (HOUR, "01", WARP.format(1, 4)),
        (HOUR, "02", WARP.format(1, 3)),
        (25 * HOUR, "01", WARP.format(1, 3)),
    ):
        assert repeats(groups((0, "01", WARP.format(1, 3)), second)) == {}


def test_page_faults_on_one_gpu_count_across_jobs_only() -> None:
    found = groups((0, "01", PAGE), (HOUR, "01", PAGE))
    assert repeats(found, {0: "10.0", 1: "11.0"})["same-gpu"].verdict == "hardware-suspect"
    assert repeats(found, {0: "10.0", 1: "11.0"})["same-gpu"].jobs == ["10.0", "11.0"]
    assert repeats(found, {0: "10.0", 1: "10.0"}) == {}  # one job run, twice: its code
    assert (
        repeats(found, {0: "10.0", 1: "10.1"})["same-gpu"].verdict == "hardware-suspect"
    )  # requeued: another run
    assert repeats(found)["same-gpu"].verdict == "unsure"
    assert repeats(found, {0: "10.0", 1: None})["same-gpu"].verdict == "unsure"


def test_one_job_on_many_gpus_is_its_code() -> None:
    found = groups((0, "01", PAGE), (1, "02", PAGE), (2, "03", PAGE))
    assert len(found) == 3
    repeat = repeats(found, dict.fromkeys(range(3), "10.0"))["one-job-many-gpus"]
    assert (repeat.verdict, len(repeat.groups), repeat.jobs) == ("application", 3, ["10.0"])
    assert repeats(found, {0: "10.0", 1: "11.0", 2: "12.0"}) == {}


def test_a_fatal_fault_that_comes_back_on_the_same_gpu() -> None:
    lost = "79, GPU has fallen off the bus."
    repeat = repeats(groups((0, "01", lost), (100 * HOUR, "01", lost)))["comes-back"]
    assert repeat.verdict == "service"
    assert repeats(groups((0, "01", lost), (200 * HOUR, "01", lost))) == {}
    assert repeats(groups((0, "01", lost), (HOUR, "02", lost))) == {}


def test_groups_without_a_device_do_not_repeat() -> None:
    bare = "[{:12.6f}] NVRM: Xid 79: GPU has fallen off the bus."
    assert repeats(aami_xid.group(aami_xid.read([bare.format(0.0), bare.format(HOUR)]))) == {}


def test_clocks_are_not_mixed() -> None:
    found = aami_xid.group(
        aami_xid.read(
            ["[ 1.0] " + FAULT.format("01", PAGE), "[Sun Feb 23 16:24:18 2025] " + FAULT.format("01", PAGE)]
        )
    )
    assert len(found) == 2
    assert repeats(found) == {}
