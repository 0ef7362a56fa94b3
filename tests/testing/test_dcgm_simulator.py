"""The simulator's pages: dcgm-exporter's names, labels and formats; every fault is visible; counters never go back."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from aami_hpc.errors import UsageFault
from aami_hpc.testing import FakeClock
from aami_hpc.testing.dcgm import JobRun, Simulator
from aami_hpc.testing.dcgm_cards import CARDS, identity
from aami_hpc.testing.dcgm_faults import KINDS, Fault, read_timeline
from aami_hpc.testing.dcgm_fields import ALL_COUNTERS, DEFAULT_COUNTERS, EXPORTERS, FIELDS, read_counters

if TYPE_CHECKING:
    from collections.abc import Callable

TEMP, FB_USED, XID = "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_XID_ERRORS"
WINDOW = "DCGM_EXP_XID_ERRORS_COUNT"
Series = dict[str, dict[str, float]]  # name -> GPU -> value


def _families(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def _series(simulator: Simulator, node: str = "gpu-001") -> Series:
    found: Series = defaultdict(dict)
    for family in text_string_to_metric_families(simulator.render(node)):
        for sample in family.samples:
            found[family.name][sample.labels.get("gpu", "")] = sample.value
    return found


def _make(**wishes: Any) -> tuple[Simulator, FakeClock]:
    clock = FakeClock()
    return Simulator(
        wishes.pop("nodes", 2), clock=clock, counters=wishes.pop("counters", ALL_COUNTERS), **wishes
    ), clock


def test_the_default_page_is_the_exporters() -> None:
    families = _families(Simulator(3, counters=DEFAULT_COUNTERS).render("gpu-002"))
    assert families.pop("aami_simulated").samples[0].value == 1
    assert set(families) == {counter.name for counter in DEFAULT_COUNTERS} - {"DCGM_FI_DRIVER_VERSION"}
    assert len(families) == 25
    for counter in DEFAULT_COUNTERS[:-1]:
        family = families[counter.name]
        assert (family.type, family.documentation) == (counter.type, counter.help)
        assert [sample.labels["gpu"] for sample in family.samples] == [str(gpu) for gpu in range(8)]
        labels = {"gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname", "DCGM_FI_DRIVER_VERSION"}
        extra = {"err_code", "err_msg"} if counter.name == XID else set()
        assert {frozenset(sample.labels) for sample in family.samples} == {frozenset(labels | extra)}


def test_a_series_to_the_letter() -> None:
    page = Simulator(["gpu-017"], shape="H200").render("gpu-017").splitlines()
    at = page.index("# TYPE DCGM_FI_DEV_XID_ERRORS gauge")
    assert page[at - 1] == "# HELP DCGM_FI_DEV_XID_ERRORS Value of the last XID error encountered."
    uuid = identity("H200", "gpu-017", 7).uuid
    assert page[at + 8] == (
        f'DCGM_FI_DEV_XID_ERRORS{{gpu="7",UUID="{uuid}",pci_bus_id="00000000:DF:00.0",'
        'device="nvidia7",modelName="NVIDIA H200",Hostname="gpu-017",DCGM_FI_DRIVER_VERSION="580.173.02",err_code="0",'
        'err_msg="No Error"} 0'
    )
    power = next(line for line in page if line.startswith("DCGM_FI_DEV_POWER_USAGE{"))
    assert len(power.rpartition(".")[2]) == 6  # floats have six places, whole numbers none


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_exporter_releases_differ_in_their_labels(exporter: str) -> None:
    families = _families(_make(exporter=exporter)[0].render("gpu-001"))
    labels = families[XID].samples[0].labels
    assert ("pci_bus_id" in labels) == (exporter not in {"3.3.5-3.4.1", "3.3.6-3.4.2"})
    assert ("err_code" in labels) == (exporter != "3.3.5-3.4.1")
    assert ("hostname" in labels, "Hostname" in labels) == ((exporter == "main"), (exporter != "main"))


@pytest.mark.parametrize("shape", CARDS)
def test_a_card_has_what_it_has(shape: str) -> None:
    series = _series(_make(shape=shape)[0])
    missing = {name for name in FIELDS if name not in series}
    expected: set[str] = set()
    if shape in {"B200", "L40S"}:
        expected |= {name for name in FIELDS if "NVLINK" in name and "ERROR" in name}
    if shape == "L40S":
        expected |= {
            "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
            "DCGM_FI_DEV_MEMORY_TEMP",
            "DCGM_FI_DEV_MEM_MAX_OP_TEMP",
        }
    if shape == "V100":
        expected |= {name for name in FIELDS if "REMAP" in name} | {"DCGM_FI_DEV_THRESHOLD_SRM"}
    assert missing == expected


SEEN: dict[str, tuple[dict[str, Any], Callable[[Series, Series], bool]]] = {
    "xid": ({"code": 31}, lambda _, b: b[XID]["3"] == 31 and b[XID]["2"] == 0 and b[WINDOW]["3"] == 1),
    "gone": ({}, lambda a, b: all("3" in a[name] and "3" not in b[name] for name in a if name != "aami_simulated")),
    "ecc": ({"dbe": 2, "sbe": 5}, lambda _, b: b["DCGM_FI_DEV_ECC_DBE_VOL_TOTAL"]["3"] == 2 and b["DCGM_FI_DEV_ECC_SBE_AGG_TOTAL"]["3"] == 5),
    "sram": ({}, lambda _, b: b["DCGM_FI_DEV_THRESHOLD_SRM"]["3"] == 1),
    "remap": ({"failure": 1}, lambda _, b: b["DCGM_FI_DEV_ROW_REMAP_FAILURE"]["3"] == b["DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS"]["3"] == 1),
    "throttle": ({"reason": "hw_thermal"}, lambda a, b: b["DCGM_FI_DEV_CLOCKS_EVENT_REASONS"]["3"] == 0x48 and b["DCGM_FI_DEV_THERMAL_VIOLATION"]["3"] == 120e9 and b["DCGM_FI_DEV_SM_CLOCK"]["3"] < a["DCGM_FI_DEV_SM_CLOCK"]["3"]),
    "heat": ({"to": 91, "over": 60}, lambda _, b: b[TEMP]["3"] == 91),
    "leak": ({"mib_per_second": 100}, lambda a, b: b[FB_USED]["3"] == a[FB_USED]["3"] + 12000),
    "nvlink-down": ({"links": 18}, lambda a, b: b["DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL"]["3"] == 18 and b["DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL"]["3"] == a["DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL"]["3"]),
    "nvlink-errors": ({}, lambda _, b: b["DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL"]["3"] == 1200),
    "pcie-replays": ({"per_second": 2}, lambda _, b: b["DCGM_FI_DEV_PCIE_REPLAY_COUNTER"]["3"] == 240),
    "pcie-narrow": ({}, lambda _, b: b["DCGM_FI_DEV_PCIE_LINK_WIDTH"]["3"] == 8),
    "recovery": ({"action": 2}, lambda _, b: b["DCGM_FI_DEV_GET_GPU_RECOVERY_ACTION"]["3"] == 2),
    "idle": ({}, lambda _, b: b["DCGM_FI_DEV_GPU_UTIL"]["3"] == b[FB_USED]["3"] == 0 and b["DCGM_FI_DEV_CLOCKS_EVENT_REASONS"]["3"] == 1),
    "busy": ({"level": 1.0}, lambda _, b: b["DCGM_FI_DEV_GPU_UTIL"]["3"] == 100 and b["DCGM_FI_DEV_POWER_USAGE"]["3"] == 700),
    "down": ({}, lambda _, b: not b),
    "empty": ({}, lambda _, b: set(b) == {"aami_simulated"}),
    "frozen": ({}, lambda a, b: a == b),
    "failing": ({}, lambda _, b: not b),
    "slow": ({}, lambda a, b: set(a) == set(b)),
    "restart": ({}, lambda a, b: set(a) == set(b)),
    "reboot": ({}, lambda a, b: b["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"]["3"] < a["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"]["3"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_visible(kind: str) -> None:
    simulator, clock = _make()
    clock.advance(600)
    before = _series(simulator)
    parameters, seen = SEEN[kind]
    simulator.inject("gpu-001", 3 if KINDS[kind].on == "gpu" else None, kind, **parameters)
    clock.advance(120)
    answer = simulator.answer("gpu-001")
    after = _series(simulator) if answer.status == 200 and not answer.cut else {}
    assert seen(before, after)
    assert "3" in _series(simulator, "gpu-002")[TEMP]  # the other node is well
    assert (answer.cut, answer.status, answer.delay) == (
        kind == "down",
        500 if kind == "failing" else 200,
        15.0 if kind == "slow" else 0.0,
    )


def test_a_fallen_gpu_leaves_its_xid_behind() -> None:
    simulator, clock = _make(
        faults=read_timeline([{"at": 60, "node": "gpu-001", "gpu": 3, "fault": "xid", "code": 79}])
    )
    clock.advance(59)
    assert "3" in _series(simulator)[TEMP]
    clock.advance(1)
    after = _series(simulator)
    assert {name for name in after if "3" in after[name]} == {XID, WINDOW}
    assert all(len(after[name]) == 7 for name in (TEMP, FB_USED))
    simulator.inject("gpu-001", 0, "xid", code=119)  # a dead GSP blinds DCGM for the whole node
    blank = _series(simulator)
    assert {name for name, gpus in blank.items() if gpus.keys() - {""}} == {XID, WINDOW}


def test_the_window_forgets_and_the_gauge_does_not() -> None:
    simulator, clock = _make()
    simulator.inject("gpu-001", 1, "xid", code=31)
    clock.advance(10)
    simulator.inject("gpu-001", 1, "xid", code=31)
    simulator.inject("gpu-001", 1, "xid", code=13)
    counts = {
        s.labels["xid"]: s.value
        for s in _families(simulator.render("gpu-001"))[WINDOW].samples
        if "xid" in s.labels
    }
    assert counts == {"31": 2, "13": 1}
    (quiet,) = (s for s in _families(simulator.render("gpu-001"))[WINDOW].samples if s.labels["gpu"] == "2")
    assert (quiet.value, quiet.labels["window_size_in_ms"], "xid" in quiet.labels) == (0, "300000", False)
    clock.advance(301)
    series = _series(simulator)
    assert (series[WINDOW]["1"], series[XID]["1"]) == (0, 31)
    simulator.inject("gpu-001", None, "restart")
    clock.advance(1)
    assert _series(simulator)[XID]["1"] == 0


def test_throttling_is_counted_in_its_window() -> None:
    simulator, clock = _make(
        faults=[Fault("throttle", "gpu-001", 0, at=0, until=90, parameters={"reason": "power_cap"})]
    )
    clock.advance(100)
    events = _families(simulator.render("gpu-001"))["DCGM_EXP_CLOCK_EVENTS_COUNT"].samples
    assert [(s.labels.get("clock_event"), s.value) for s in events][:2] == [("power_cap", 3), (None, 0)]
    assert _series(simulator)["DCGM_FI_DEV_POWER_VIOLATION"]["0"] == 90e9


def test_a_reboot_forgets_what_lives_since_boot() -> None:
    simulator, clock = _make()
    simulator.inject("gpu-001", 0, "ecc", dbe=3)
    simulator.inject("gpu-001", 0, "remap")
    clock.advance(50)
    assert _series(simulator)["DCGM_FI_DEV_ROW_REMAP_PENDING"]["0"] == 1
    simulator.inject("gpu-001", None, "reboot", off=30)
    clock.advance(10)
    assert simulator.answer("gpu-001").cut
    clock.advance(30)
    after = _series(simulator)
    assert after["DCGM_FI_DEV_ECC_DBE_VOL_TOTAL"]["0"] == after["DCGM_FI_DEV_ROW_REMAP_PENDING"]["0"] == 0
    assert after["DCGM_FI_DEV_ECC_DBE_AGG_TOTAL"]["0"] == 3
    assert after["DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS"]["0"] == 1


def test_jobs_and_mig_instances() -> None:
    runs = [
        JobRun("4711", "gpu-001", 0),
        JobRun("4712", "gpu-001", 0, start=5),
        JobRun("9", "gpu-001", 1, end=5),
    ]
    simulator, clock = _make(jobs=runs, mig={2: ["3g.40gb", "1g.10gb"]})
    clock.advance(10)
    families = _families(simulator.render("gpu-001"))
    jobs = [(s.labels["gpu"], s.labels.get("hpc_job")) for s in families[FB_USED].samples]
    assert jobs[:3] == [("0", "4711"), ("0", "4712"), ("1", None)]  # a shared GPU has one series per job
    instances = [s.labels for s in families[FB_USED].samples if s.labels["gpu"] == "2"]
    assert [(one["GPU_I_PROFILE"], one["GPU_I_ID"]) for one in instances] == [
        ("3g.40gb", "7"),
        ("1g.10gb", "8"),
    ]
    assert "2" not in _series(simulator)["DCGM_FI_DEV_GPU_UTIL"]  # not known of instances


_GPU_FAULTS = sorted(
    kind for kind, about in KINDS.items() if about.on == "gpu" and kind not in {"gone", "xid"}
)
_COUNTERS = tuple(counter for counter in ALL_COUNTERS if counter.type == "counter")
_steps = st.lists(
    st.tuples(
        st.integers(0, 50_000).map(lambda ticks: ticks / 100),
        st.sampled_from([*_GPU_FAULTS, "frozen", "restart", "clear", "nothing"]),
        st.integers(0, 1),
    ),
    max_size=10,
)


def _values(page: str) -> dict[str, float]:
    pairs = (line.rpartition(" ") for line in page.splitlines() if line[0] != "#")
    return {series: float(value) for series, _, value in pairs}


@settings(max_examples=100, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])
@given(steps=_steps, shape=st.sampled_from(sorted(CARDS)))
def test_counters_never_go_backwards(steps: list[tuple[float, str, int]], shape: str) -> None:
    simulator, clock = _make(nodes=1, gpus=2, shape=shape, counters=_COUNTERS)
    before = _values(simulator.render("gpu-001"))
    for seconds, kind, gpu in steps:
        if kind == "clear":
            simulator.clear()
        elif kind != "nothing":
            simulator.inject("gpu-001", gpu if KINDS[kind].on == "gpu" else None, kind)
        clock.advance(seconds)
        after = _values(simulator.render("gpu-001"))
        assert after.keys() == before.keys()
        assert [series for series in after if after[series] < before[series]] == []
        assert after == _values(simulator.render("gpu-001"))  # the same time has the same values
        before = after


def test_cleared_faults_end_and_stay_counted() -> None:
    simulator, clock = _make()
    simulator.inject("gpu-001", 0, "pcie-replays", per_second=3)
    simulator.inject("gpu-002", None, "down")
    clock.advance(10)
    simulator.clear("gpu-001")
    clock.advance(100)
    assert _series(simulator)["DCGM_FI_DEV_PCIE_REPLAY_COUNTER"]["0"] == 30
    assert simulator.answer("gpu-002").cut
    simulator.clear()
    clock.advance(1)
    assert not simulator.answer("gpu-002").cut


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"nodes": ['gpu"1']}, "can't be a label"),
        ({"shape": "H900"}, "no 'H900'. Known: V100, A100, H100"),
        ({"exporter": "1.0"}, "no '1.0'"),
        ({"gpus": 9}, "1 to 8 GPUs, not 9"),
        ({"faults": [Fault("heat", "gpu-999")]}, "on 'gpu-999'"),
        ({"faults": [Fault("heat", gpu=8)]}, "GPU 8"),
        ({"faults": [Fault("down", gpu=1)]}, "GPU 1"),
        ({"jobs": [JobRun("1\n2", "gpu-001", 0)]}, "can't be a label"),
    ],
)
def test_wishes_it_refuses(wish: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageFault, match=says):
        _make(**wish)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"fault": "explode"}, "no fault 'explode'. Known: busy, down"),
        ({"fault": "heat", "too": 9}, "no parameter 'too'. Its parameters: over, to"),
        ({"fault": "heat", "at": 5, "until": 5}, "before it begins"),
        ({"fault": "heat", "at": "soon"}, "seconds since the start"),
        ({"fault": "heat", "to": "hot"}, "can't be 'hot'"),
        ({"fault": "throttle", "reason": "boredom"}, "'boredom' is no reason"),
        ({"node": "gpu-001"}, "names no fault"),
    ],
)
def test_timelines_it_refuses(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageFault, match=says):
        read_timeline([entry])


def test_a_counters_file_decides_what_is_exported() -> None:
    text = "# a comment\nDCGM_FI_DEV_GPU_TEMP , gauge, Heat, in C.\n\nDCGM_FI_DEV_SERIAL, label, Serial\n"
    families = _families(_make(counters=read_counters(text))[0].render("gpu-001"))
    assert set(families) == {TEMP, "aami_simulated"}
    assert families[TEMP].documentation == "Heat, in C."
    assert families[TEMP].samples[0].labels["DCGM_FI_DEV_SERIAL"].startswith("16")
    for bad, says in (
        ("DCGM_FI_DEV_GPU_TEMP, gauge", "Line 1"),
        ("DCGM_FI_DEV_COLOUR, gauge, x", "no values for DCGM_FI_DEV_COLOUR"),
    ):
        with pytest.raises(UsageFault, match=says):
            read_counters(bad)
