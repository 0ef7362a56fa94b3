"""Prolog and epilog of one node, through the launchers: ledger, info series, which GPUs, which kernel lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.aami_slurm.tree import job_environment

if TYPE_CHECKING:
    from tests.aami_slurm.cards import Cards
    from tests.aami_slurm.fixtures import MakeNode

ENVIRONMENTS = Path(__file__).parents[1] / "environments"
RELEASES = ("22.05", "24.11", "26.05")


def runs(node: Cards, op: str) -> list[dict[str, Any]]:
    return [line for line in node.node.lines("ledger") if line["op"] == op]


def hook(node: Cards, name: str, environ: dict[str, str]) -> None:
    done = node.node.run(name, environ)
    assert (done.returncode, done.stdout, node.node.log()) == (0, "", [])


def test_a_job_is_in_ledger_and_metrics_while_it_lives(node: Cards) -> None:
    hook(node, "prolog", job_environment(1001, "2,3"))
    [started] = runs(node, "start")
    assert [gpu["uuid"] for gpu in started["gpus"]] == [node.uuid(2), node.uuid(3)]
    assert started["user"] == "alice"
    assert (started["cluster"], started["node"], started["account"]) == ("lab", "gpu-001", "physics")
    for gpu in (2, 3):
        series = f'aami_gpu_job_info{{gpu="{gpu}",gpu_uuid="{node.uuid(gpu)}",job_id="1001",user="alice",'
        assert series in node.node.metrics()
    hook(node, "epilog", job_environment(1001, "2,3", SLURM_JOB_EXIT_CODE2="3:0"))
    [ended] = runs(node, "end")
    assert (ended["exit"]["code"], ended["exit"]["known"]) == (3, True)
    assert "aami_gpu_job_info{" not in node.node.metrics()


def test_0_0_may_be_a_cancel(node: Cards) -> None:
    hook(node, "prolog", job_environment())
    hook(node, "epilog", job_environment(SLURM_JOB_EXIT_CODE2="0:0"))
    assert runs(node, "end")[0]["exit"]["known"] is False


def test_an_xid_is_its_jobs_and_no_others(node: Cards) -> None:
    hook(node, "prolog", job_environment(1001, "2,3"))
    hook(node, "prolog", job_environment(1002, "4"))
    node.says(3, 31, "pid=4242, name=python, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS")
    hook(node, "epilog", job_environment(1002, "4", SLURM_JOB_EXIT_CODE2="0:0"))
    hook(node, "epilog", job_environment(1001, "2,3", SLURM_JOB_EXIT_CODE2="1:0"))
    [event] = [line for line in node.node.lines("journal") if line["kind"] == "xid"]
    assert event["gpu_uuid"] == node.uuid(3)
    assert [(job["job_id"], job["confidence"]) for job in event["jobs"]] == [(1001, "gpu")]
    assert f'aami_gpu_xid_events_total{{gpu="3",gpu_uuid="{node.uuid(3)}",xid="31"}} 1' in node.node.metrics()


def test_a_job_without_gpus_is_written_down_and_nothing_is_asked(node: Cards) -> None:
    node.put(node.state.with_fault("hang"))
    hook(node, "prolog", job_environment(1001, None))
    hook(node, "epilog", job_environment(1001, None, SLURM_JOB_EXIT_CODE2="0:0"))
    assert (runs(node, "start")[0]["gpus"], len(runs(node, "end"))) == ([], 1)


def test_before_the_first_look_the_prolog_makes_the_inventory(make_node: MakeNode) -> None:
    node = make_node(looked=False)
    hook(node, "prolog", job_environment(1001, "2,3"))
    [resolved] = runs(node, "resolve")
    assert [gpu["uuid"] for gpu in resolved["gpus"]] == [node.uuid(2), node.uuid(3)]


def test_without_any_driver_the_job_runs_and_its_gpus_are_kept_as_told(make_node: MakeNode) -> None:
    node = make_node(looked=False)
    node.stub.library.unlink()
    node.stub.program.unlink()
    hook(node, "prolog", job_environment(1001, "2,3"))
    [started] = runs(node, "start")
    assert (started["gpus"], started["unresolved"]["names"], started["gpus_told"]) == ([], ["2", "3"], "2,3")
    assert any(line["kind"] == "check" and line["outcome"] == "error" for line in node.node.lines("journal"))


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("{3}", [3]),
        ("{3},{2}", [3, 2]),
        ("2,3", [2, 3]),
        ("", []),
        ("NoDevFiles", []),
    ],
)
def test_uuids_are_the_truth(node: Cards, visible: str, expected: list[int]) -> None:
    told = visible.format(*[node.uuid(gpu) for gpu in range(8)])
    environ = {**job_environment(1001, None), "CUDA_VISIBLE_DEVICES": told}
    hook(node, "prolog", environ)
    assert [gpu["uuid"] for gpu in runs(node, "start")[0]["gpus"]] == [node.uuid(gpu) for gpu in expected]


@pytest.mark.parametrize("release", RELEASES)
def test_environments_recorded_from_real_releases_open_and_close_their_run(node: Cards, release: str) -> None:
    """Arrays, het jobs, requeues, steps in an allocation, exclusive nodes, shards: as slurmd really calls us."""
    told = {
        name: json.loads((ENVIRONMENTS / f"{release}-{name}.json").read_text())["cases"]
        for name in ("prolog", "epilog")
    }
    ours = {
        f"GPU-00000000-0000-0000-0000-{gpu:012}": node.uuid(gpu) for gpu in range(8)
    }  # as they were recorded
    for case, recorded in told["prolog"].items():
        environ = dict(recorded)
        for theirs, uuid in ours.items():
            visible = environ.get("CUDA_VISIBLE_DEVICES")
            if visible:
                environ["CUDA_VISIBLE_DEVICES"] = visible.replace(theirs, uuid)
        before = len(runs(node, "start")), len(runs(node, "end"))
        hook(node, "prolog", {**environ, "SLURMD_NODENAME": "gpu-001"})
        started = runs(node, "start")[-1]
        assert started["job_id"] == int(environ["SLURM_JOB_ID"]), case
        asked = [int(gpu) for gpu in environ.get("SLURM_JOB_GPUS", "").split(",") if gpu]
        assert [gpu["slurm_index"] for gpu in started["gpus"]] == asked, case
        assert started["uid"] == int(environ["SLURM_JOB_UID"])
        hook(node, "epilog", {**told["epilog"][case], "SLURMD_NODENAME": "gpu-001"})
        ended = runs(node, "end")[-1]
        assert (ended["job_id"], ended["restart"]) == (started["job_id"], started["restart"]), case
        assert ended["start"] is not None, case
        after = len(runs(node, "start")), len(runs(node, "end"))
        assert after == (before[0] + 1, before[1] + 1), case
    assert "aami_gpu_job_info{" not in node.node.metrics()


def test_two_jobs_on_one_gpu_are_both_told(node: Cards) -> None:
    """Shards and MPS: Slurm gives both the same index."""
    hook(node, "prolog", job_environment(1001, "0"))
    hook(node, "prolog", job_environment(1002, "0"))
    node.says(0, 31, "pid=4242, name=python, Ch 00000008")
    hook(node, "epilog", job_environment(1002, "0", SLURM_JOB_EXIT_CODE2="0:0"))
    [event] = [line for line in node.node.lines("journal") if line["kind"] == "xid"]
    assert sorted(job["job_id"] for job in event["jobs"]) == [1001, 1002]
    assert 'job_id="1001"' in node.node.metrics()


def test_hostile_words_reach_nobody_raw(node: Cards) -> None:
    nasty = 'x"}\n# HELP evil\nevil{a="b"} 1\x1b[31m$(reboot)'
    hook(node, "prolog", job_environment(1001, "0", SLURM_JOB_ACCOUNT=nasty, SLURM_JOB_USER=nasty))
    lines = node.node.metrics().splitlines()
    assert not any(line.startswith("evil") for line in lines)
    assert "\x1b" not in node.node.metrics()
    assert runs(node, "start")[0]["account"].startswith('x"}\n# HELP')  # the ledger keeps it, as JSON


def test_hooks_write_lines_that_their_schemas_take(node: Cards) -> None:
    import jsonschema

    import aami_slurm

    hook(node, "prolog", job_environment(1001, "2,3"))
    node.says(3, 79, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.")
    node.put(node.state.with_fault("lost", gpu=3))
    hook(node, "epilog", job_environment(1001, "2,3", SLURM_JOB_EXIT_CODE2="0:9"))
    hook(node, "health", {})
    schemas = Path(aami_slurm.__file__).resolve().parents[1] / "schema"
    for kind, name in (("journal", "event"), ("ledger", "ledger")):
        validator = jsonschema.Draft202012Validator(json.loads((schemas / f"{name}.schema.json").read_text()))
        lines = node.node.lines(kind)
        assert lines
        for line in lines:
            validator.validate(line)


def test_a_node_without_gpus_has_no_opinion_on_them(make_node: MakeNode) -> None:
    """A login or CPU node: no driver is no trouble there."""
    node = make_node(looked=False, gres=[{"nodes": "gpu-001", "gpus": 0}])
    node.stub.library.unlink()
    node.stub.program.unlink()
    hook(node, "health", {})
    said = {line["check"] for line in node.node.lines("journal") if line["kind"] == "check"}
    assert not said & {"driver-answers", "gpu-count", "xid"}
    node.node.set(paths={"nvml": "/nowhere", "nvidia_smi": "/nowhere"})
    for gpu in range(8):
        node.pci(gpu, None)
    hook(node, "health", {})
    assert "driver-answers" not in {line.get("check") for line in node.node.lines("journal")}
    node.node.set(
        paths={"nvml": "/nowhere", "nvidia_smi": "/nowhere"}, gres=[{"nodes": "gpu-[001-008]", "gpus": 8}]
    )
    hook(node, "health", {})
    assert "driver-answers" in {line.get("check") for line in node.node.lines("journal")}
