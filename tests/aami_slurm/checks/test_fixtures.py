"""Every check sees its fault, stays silent without it, and can't be led astray by garbage, nothing or silence."""

from __future__ import annotations

from typing import Any

import pytest

from aami_slurm import checks
from aami_slurm.finding import SEVERITIES
from aami_slurm.text import plain
from aami_xid.weights import ACTIONS
from tests.aami_slurm.checks.worlds import HERE, KINDS, fixtures, found, world

CASES = [
    pytest.param(name, kind, case, id=f"{name}-{kind}-{number}")
    for name in checks.TABLE
    for kind in KINDS
    for number, case in enumerate(fixtures(name).get(kind, []))
]


@pytest.mark.parametrize("name", checks.TABLE)
def test_every_check_has_fixtures_of_all_five_kinds(name: str) -> None:
    told = fixtures(name)
    assert [kind for kind in KINDS if not told.get(kind)] == []
    assert sorted(set(told) - set(KINDS)) == []
    assert all(case["expect"] for case in told["positive"]), "a positive fixture finds something"
    assert any(not case["expect"] for case in told["negative"]), "a negative one finds nothing"
    harmless = [one for kind in ("garbage", "hang") for case in told[kind] for one in case["expect"]]
    assert all(one["outcome"] in {"error", "config"} or one.get("gpu") is not None for one in harmless)


def test_no_fixture_is_left_of_a_check_that_is_gone() -> None:
    assert {path.stem for path in (HERE / "fixtures").iterdir()} == set(checks.TABLE)


@pytest.mark.parametrize(("name", "kind", "case"), CASES)
def test_a_check_finds_what_its_fixture_says(name: str, kind: str, case: dict[str, Any]) -> None:
    got = found(name, world(case), case.get("limits"))
    told = [{key: one[key] for key in want} for one, want in zip(got, case["expect"], strict=False)]
    assert (told, len(got)) == (case["expect"], len(case["expect"])), got


@pytest.mark.parametrize(("name", "kind", "case"), CASES)
def test_a_finding_carries_what_decisions_and_people_need(name: str, kind: str, case: dict[str, Any]) -> None:
    facts = world(case)
    for one in found(name, facts, case.get("limits")):
        assert 0 < len(one["code"]) <= 24, one
        assert one["code"] == one["code"].lower()
        assert set(one["code"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert one["summary"] == plain(one["summary"], 300), "one line of plain text"
        assert one["severity"] in SEVERITIES
        assert one["action"] in {None, *ACTIONS}
        assert one["evidence"]["source"]
        if one["code"] != "unknown":  # the frame's own
            assert isinstance(one["evidence"]["raw"], str)
            assert {"time", "mono_us"} <= set(one["evidence"])
        if one["outcome"] == "fail":
            assert one["evidence"]["raw"]
            assert abs(facts.mono_us - one["evidence"]["mono_us"]) < 60_000_000, (
                "fresh, or it would drain nothing"
            )
            assert one["gpu_uuid"] is None or one["gpu_uuid"].startswith("GPU-")


@pytest.mark.parametrize("name", checks.TABLE)
def test_a_module_says_of_itself_what_the_table_says(name: str) -> None:
    module = checks.load(name)
    assert name == module.NAME
    assert module.__name__ == "aami_slurm.checks." + name.replace("-", "_")
    assert (name, checks.TABLE[name][1]) == (module.NAME, module.PHASES)
    assert module.__doc__.startswith(name + ": ")
    assert set(module.DEFAULTS) - {"looks"} == {"budget_s", "effect", "limits"}
    assert all(hasattr(world({}), need) for need in module.NEEDS)


def test_every_file_in_the_folder_is_in_the_table() -> None:
    folder = HERE.parents[2] / "slurm/aami_slurm/checks"
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert files == {module for module, _ in checks.TABLE.values()}


def test_the_first_checks_are_all_there() -> None:
    assert set(checks.TABLE) == {
        "driver-answers", "gpu-count", "gpu-identity", "xid", "recovery-action", "ecc-uncorrectable",
        "row-remap-failure", "row-remap-pending", "nvlink-down", "pcie-gone", "leftover-processes", "thermal",
        "mount-hang", "mount-missing", "disk-free", "fs-readonly", "clock-skew", "services", "ib-port-down",
    }  # fmt: skip


@pytest.mark.parametrize("phase", ["prolog", "epilog", "health"])
def test_a_healthy_node_passes_everything(phase: str) -> None:
    facts = world({"phase": phase} if phase == "health" else {"phase": phase, "job_gpus": [2, 3]})
    assert {name: found(name, facts) for name in checks.of_phase(phase)} == {
        name: [] for name in checks.of_phase(phase)
    }
