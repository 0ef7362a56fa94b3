"""Hooks beside and over each other: every run in the ledger once, the metrics readable at any moment."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.aami_slurm.tree import job_environment
from tests.lab.ports import lease, listening
from tests.lab.waiting import until

if TYPE_CHECKING:
    from tests.aami_slurm.cards import Cards

EXPORTER = shutil.which("prometheus-node-exporter")
JOBS = 20


def _page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        page: bytes = answer.read()
    return page.decode()


def run_jobs(node: Cards) -> None:
    def job(number: int) -> None:
        assert node.node.run("prolog", job_environment(number, str(number % 8))).returncode == 0
        assert (
            node.node.run(
                "epilog", job_environment(number, str(number % 8), SLURM_JOB_EXIT_CODE2="0:0")
            ).returncode
            == 0
        )

    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(job, range(1, JOBS + 1)))


@pytest.mark.slow
@pytest.mark.skipif(EXPORTER is None, reason="prometheus-node-exporter is not installed")
def test_a_real_node_exporter_never_sees_a_broken_file_during_20_concurrent_hooks(node: Cards) -> None:
    ports = lease(1)
    port = ports.first
    exporter = subprocess.Popen(
        [str(EXPORTER), "--collector.disable-defaults", "--collector.textfile",
         f"--collector.textfile.directory={node.node.textfile}", f"--web.listen-address=127.0.0.1:{port}"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        pages: list[str] = []
        over = threading.Event()

        def scrape() -> None:
            while not over.is_set():
                pages.append(_page(port))

        until(lambda: listening(port), "node_exporter", timeout=10, evidence=lambda: "")
        watcher = threading.Thread(target=scrape)
        watcher.start()
        try:
            run_jobs(node)
        finally:
            over.set()
            watcher.join()
    finally:
        exporter.terminate()
        exporter.wait()
        ports.release()
    assert len(pages) > 5
    for page in pages:
        series = {one.name: one for one in text_string_to_metric_families(page)}
        assert series["node_textfile_scrape_error"].samples[0].value == 0
        assert "aami_journal_seq" in series
    starts = [line for line in node.node.lines("ledger") if line["op"] == "start"]
    ends = [line for line in node.node.lines("ledger") if line["op"] == "end"]
    assert sorted(line["job_id"] for line in starts) == list(range(1, JOBS + 1))
    assert sorted(line["job_id"] for line in ends) == list(range(1, JOBS + 1))
    assert node.node.log() == []


def test_a_health_that_overlaps_itself_ends_at_once(node: Cards) -> None:
    node.put(node.state.with_fault("slow-init"))  # three seconds
    first = subprocess.Popen(
        [node.node.libexec / "health"], env={"AAMI_ROOT": str(node.node.root), "SLURMD_NODENAME": "gpu-001"}
    )
    time.sleep(1)
    began = time.monotonic()
    assert node.node.run("health").returncode == 0
    assert time.monotonic() - began < 1.5
    assert first.poll() is None
    assert first.wait(30) == 0
    assert node.node.log() == []
