"""The textfile: the promised series, whatever users are called, in one rename."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from aami_slurm import kernel_log, textfile
from aami_slurm.settings import Settings
from tests.aami_slurm.record.support import WALL, Memory, held, inventory, job, uuid, xid

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = [
    'a"b',
    "a\\b",
    "a\nb",
    "a\x1b[31mred",
    "",
    "\u202eevil",
    "x" * 5000,
    "a\\\nb",
    '"} 1\naami_evil 1',
    "\u00fcmit",
    "\x00",
    "a\u2028b",
]


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels; none twice."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    told = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in found}
    assert len(told) == len(found)
    return told


def render(memory: Memory, stock: dict[str, Any] | None = None, now: float = WALL, **told: Any) -> str:
    with memory.book().open(0) as book:
        return textfile.render(book.state, stock or inventory(), Settings(told), now)


def labels(**told: str) -> frozenset[tuple[str, str]]:
    return frozenset(told.items())


def test_the_whole_file(memory: Memory) -> None:
    memory.says(xid(3, 31), xid(3, 31), xid(5, 79, "GPU has fallen off the bus."))
    with memory.book().open(0) as book:
        book.start_run(job(7, SLURM_JOB_ACCOUNT="physics", SLURM_JOB_PARTITION="main"), held(3))
        kernel_log.take(book, str(memory.kmsg), inventory())
        book.note_checks([("xid", "fail", 0.0125)])
        book.note_hook("prolog", 0.017)
        book.commit()
    told = f'gpu="3",gpu_uuid="{uuid(3)}"'
    assert (
        render(memory)
        == f"""\
# HELP aami_gpu_job_info Job runs and the GPUs they hold now.
# TYPE aami_gpu_job_info gauge
aami_gpu_job_info{{{told},job_id="7",user="alice",account="physics",partition="main"}} 1
# HELP aami_gpu_xid_events_total Xids of this boot that the kernel printed about a GPU.
# TYPE aami_gpu_xid_events_total counter
aami_gpu_xid_events_total{{{told},xid="31"}} 2
aami_gpu_xid_events_total{{gpu="5",gpu_uuid="{uuid(5)}",xid="79"}} 1
# HELP aami_journal_seq Number of the newest event in this boot's journal.
# TYPE aami_journal_seq gauge
aami_journal_seq 3
# HELP aami_kernel_records_lost_total Kernel log records overwritten before they were read.
# TYPE aami_kernel_records_lost_total counter
aami_kernel_records_lost_total 0
# HELP aami_check_outcome What each check found last.
# TYPE aami_check_outcome gauge
aami_check_outcome{{check="xid",outcome="fail"}} 1
# HELP aami_check_duration_seconds How long each check took last.
# TYPE aami_check_duration_seconds gauge
aami_check_duration_seconds{{check="xid"}} 0.0125
# HELP aami_hook_duration_seconds How long each hook ran last.
# TYPE aami_hook_duration_seconds gauge
aami_hook_duration_seconds{{hook="prolog"}} 0.017
# HELP aami_hook_last_run_timestamp_seconds When each hook ended last.
# TYPE aami_hook_last_run_timestamp_seconds gauge
aami_hook_last_run_timestamp_seconds{{hook="prolog"}} 1795151000.0
"""
    )
    assert len(samples(render(memory))) == 9


def test_a_job_is_there_as_long_as_it_runs(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(7), held(2, 3))
        book.start_run(job(8), held(3))
        book.start_run(job(9), [])
        book.commit()
    jobs = [name for name in samples(render(memory)) if name[0] == "aami_gpu_job_info"]
    assert {(dict(told)["gpu"], dict(told)["job_id"]) for _, told in jobs} == {
        ("2", "7"),
        ("3", "7"),
        ("3", "8"),
    }
    with memory.book().open(0) as book:
        book.end_run(job(7), "0:0")
        book.end_run(job(8), "0:0")
        book.commit()
    assert "job_info" not in render(memory)


def test_the_instances_of_one_gpu_are_one_series(memory: Memory) -> None:
    one, two = ({"uuid": f"MIG-{part}", "gi": part, "ci": 0} for part in (1, 2))
    with memory.book().open(0) as book:
        book.start_run(job(7), held(3, mig=one) + held(3, mig=two))
        book.commit()
    assert len([name for name in samples(render(memory)) if name[0] == "aami_gpu_job_info"]) == 1


@pytest.mark.parametrize(
    ("wanted", "expected"), [([], set()), (["account"], {"account"}), (["user", "job_name"], {"user"})]
)
def test_whose_job_it_is_stays_private_where_the_site_says_so(
    memory: Memory, wanted: list[str], expected: set[str]
) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(7), held(3))
        book.commit()
    (told,) = [
        told for name, told in samples(render(memory, job_labels=wanted)) if name == "aami_gpu_job_info"
    ]
    assert set(dict(told)) == {"gpu", "gpu_uuid", "job_id"} | expected


def test_a_gpu_that_no_inventory_knows_keeps_its_counts(memory: Memory) -> None:
    memory.says(xid(3, 31))
    with memory.book().open(0) as book:
        book.start_run(job(7), held(3))
        kernel_log.take(book, str(memory.kmsg), inventory())
        book.commit()
    told = samples(render(memory, {"gpus": []}))
    assert told["aami_gpu_xid_events_total", labels(gpu="", gpu_uuid=uuid(3), xid="31")] == 1
    assert [dict(name[1])["gpu"] for name in told if name[0] == "aami_gpu_job_info"] == ["3"]


def test_a_check_that_is_no_longer_run_is_gone_after_a_day(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.note_checks([("xid", "pass", 0.1)])
        book.commit()
    assert "aami_check_outcome" in render(memory, now=memory.clock.wall() + 86_000)
    assert "aami_check" not in render(memory, now=memory.clock.wall() + 87_000)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_users_choose_are_escaped_and_cut(memory: Memory, name: str) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(7, SLURM_JOB_USER=name, SLURM_JOB_ACCOUNT=name, SLURM_JOB_PARTITION=name), held(3))
        book.commit()
    text = render(memory)
    assert all(line.isprintable() and len(line) < 1000 for line in text.splitlines())
    (told,) = [dict(told) for name, told in samples(text) if name == "aami_gpu_job_info"]
    assert told["user"].isprintable()
    assert len(told["user"]) <= 128
    assert "aami_evil" not in [name for name, _ in samples(text)]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5),
    st.lists(st.text(max_size=200), max_size=4),
)
def test_any_text_gives_a_file_that_prometheus_reads(
    tmp_path_factory: pytest.TempPathFactory, people: list[tuple[str, str]], checks: list[str]
) -> None:
    memory = Memory(tmp_path_factory.mktemp("any"))
    with memory.book().open(0) as book:
        for number, (user, account) in enumerate(people):
            book.start_run(job(number, SLURM_JOB_USER=user, SLURM_JOB_ACCOUNT=account), held(number % 2))
        book.note_checks([(check, "pass", 0.1) for check in checks])
        book.commit()
    told = samples(render(memory))
    assert len([name for name in told if name[0] == "aami_gpu_job_info"]) == len(people)


def test_the_same_state_gives_the_same_text(memory: Memory) -> None:
    with memory.book().open(0) as book:
        book.start_run(job(7), held(3, 2))
        book.commit()
    first = render(memory)
    memory.forget_snapshot()
    assert render(memory) == first


def test_it_is_put_where_node_exporter_looks(memory: Memory) -> None:
    folder = memory.root / "metrics"
    folder.mkdir()
    before = os.umask(0o077)
    try:
        assert (
            textfile.write(
                memory.places, Settings({"paths": {"textfile": "/metrics"}}), "aami_journal_seq 1\n"
            )
            is None
        )
    finally:
        os.umask(before)
    assert [path.name for path in folder.iterdir()] == ["aami.prom"]
    assert stat.S_IMODE((folder / "aami.prom").stat().st_mode) == 0o644


def test_no_hook_fails_for_its_metrics(memory: Memory) -> None:
    assert "No such file" in str(textfile.write(memory.places, Settings({}), "x 1\n"))
    assert textfile.write(memory.places, Settings({"paths": {"textfile": None}}), "x 1\n") is None
    assert not list(memory.root.rglob("*.prom"))
