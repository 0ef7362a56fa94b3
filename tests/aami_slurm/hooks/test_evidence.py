"""Evidence is acted on once and not forgotten, whoever read it; and what stands in the way of a hook is said."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.aami_slurm.cards import CONFIG, GONE
from tests.aami_slurm.one_slurm import ENFORCE, OneSlurm
from tests.aami_slurm.tree import NODE, job_environment
from tests.lab.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.aami_slurm.fixtures import MakeNode

ENDED = {"SLURM_JOB_EXIT_CODE2": "0:0"}
CONTAINED = "pid=7, name=x, Uncontained: LTC TAG (0x2,0x0). RST: Yes, D-RST: No"
BLOCK = 1
slow = pytest.mark.slow


def job(number: int, gpus: str | None, **more: str) -> dict[str, str]:
    return job_environment(number, gpus, **more)


def _rules(*rules: dict[str, Any]) -> dict[str, Any]:
    return {**ENFORCE, "rules": list(rules)}


# -- what a drain covers


@slow
def test_a_drain_for_one_gpu_does_not_cover_what_another_said(make_node: MakeNode) -> None:
    """One prolog read both lines, and judged its own job's only."""
    node = OneSlurm(make_node)
    node.cards.says(5, 95, CONTAINED)
    node.cards.says(2, 95, CONTAINED)
    assert node.hook("prolog", job(1, "2")) == BLOCK
    assert ":gpu2 " in node.shown()["reason"]
    node.give_back()
    node.hook("epilog", job(1, "2", **ENDED))
    node.hook("health")
    assert ":gpu5 " in node.shown()["reason"]
    node.give_back()
    node.hook("health")
    assert not node.is_out  # each had its consequence
    assert len(node.updates()) == 2


@slow
def test_a_decision_in_shadow_covers_nothing_that_is_enforced(make_node: MakeNode) -> None:
    node = OneSlurm(make_node, _rules({"check": "recovery-action", "mode": "shadow"}))
    node.cards.says(5, 95, CONTAINED)
    node.put(status=1)
    node.hook("health")
    assert [event["kind"] for event in node.events("drain", "rail-unknown")] == ["rail-unknown"]
    node.cards.fault("needs-drain-and-reset", gpu=2)
    node.cards.says(
        2, 63, "pid=7, name=x, Row Remapper: New row marked for remapping, reset gpu to activate."
    )
    node.hook("prolog", job(1, "2"))
    node.put(status=0)
    node.hook("health")
    assert ":gpu5 " in node.shown()["reason"]


@slow
def test_a_line_that_shadow_held_back_is_decided_once(make_node: MakeNode) -> None:
    node = OneSlurm(make_node, {**ENFORCE, "mode": "shadow"})
    node.cards.says(5, 95, CONTAINED)
    for _ in range(2):
        node.hook("health")
    assert node.hook("prolog", job(1, "5")) == 0
    assert len(node.events("decision")) == 1
    assert node.updates() == []


@slow
def test_the_same_fault_after_a_healthy_time_is_a_new_one(make_node: MakeNode) -> None:
    """Two faults, two decisions, two event ids: the reason in Slurm leads to the line that it came from."""
    node = OneSlurm(make_node)
    well, reasons = node.cards.state, []
    for _ in range(2):
        node.cards.fault("lost", gpu=2)
        node.hook("health")
        reasons.append(node.shown()["reason"])
        node.cards.put(well)
        node.give_back()
        node.hook("health")
    assert len(set(reasons)) == 2
    assert len(node.events("decision")) == 2
    assert [event["outcome"] for event in node.events("drain")] == ["drained", "drained"]


# -- what is history


@slow
def test_lines_from_before_other_settings_are_history(make_node: MakeNode) -> None:
    """Repaired without a drain of ours, then switched to enforce: the node is well."""
    node = OneSlurm(make_node, _rules({"check": "xid", "mode": "off"}))
    node.cards.says(5, 95, CONTAINED, seconds_ago=2400)
    node.hook("health")
    node.set(ENFORCE, generation="20261121T000000Z-00000000")
    for _ in range(2):
        node.hook("health")
    assert node.hook("prolog", job(1, "5")) == 0
    assert node.updates() == []
    node.cards.says(5, 95, CONTAINED)
    node.hook("health")
    assert ":gpu5 " in node.shown()["reason"]


@slow
def test_lines_from_before_a_lost_journal_are_history_long_after_the_boot(make_node: MakeNode) -> None:
    node = OneSlurm(make_node)
    node.cards.says(5, 95, CONTAINED, seconds_ago=120)
    node.hook("health")
    assert node.is_out
    node.give_back()
    for folder in (node.run, node.root / "var/lib/aami-hpc"):
        shutil.rmtree(folder)
    for _ in range(2):
        node.hook("health")
    assert node.hook("prolog", job(1, "5")) == 0
    assert len(node.updates()) == 1
    assert node.events("xid")


@slow
def test_a_fault_between_a_push_and_the_next_hook_is_no_history(make_node: MakeNode) -> None:
    node = OneSlurm(make_node, _rules({"check": "xid", "mode": "off"}))
    node.hook("health")
    node.set(ENFORCE, generation="20261121T000000Z-00000000")
    node.cards.says(5, 95, CONTAINED)
    node.hook("health")
    assert ":gpu5 " in node.shown()["reason"]


@slow
def test_lines_from_before_the_driver_was_loaded_are_read_when_it_is(make_node: MakeNode) -> None:
    """Until there is an inventory nobody could tell which GPU they speak of."""
    node = OneSlurm(make_node, looked=False)
    well = node.cards.state
    node.cards.says(5, 95, CONTAINED, seconds_ago=time.monotonic() - 60)
    node.cards.fault("driver-not-loaded")
    assert node.early("health", 120) == 0
    assert node.events("xid", "unattributed") == []
    node.cards.put(well)
    assert node.early("health", 180) == 0
    [event] = node.events("xid")
    assert event["gpu_uuid"] == node.cards.uuid(5)
    assert ":gpu5 " in node.shown()["reason"]


def test_a_driver_that_never_comes_keeps_no_line_from_the_journal(make_node: MakeNode) -> None:
    node = OneSlurm(make_node, looked=False)
    node.cards.says(5, 95, CONTAINED)
    node.cards.fault("driver-not-loaded")
    node.hook("health")
    assert node.events("xid", "unattributed")


@slow
def test_a_policy_may_make_a_fault_of_an_applications_line(make_node: MakeNode) -> None:
    node = OneSlurm(make_node, _rules({"check": "xid", "limits": {"codes": {"31": "fail"}}}))
    node.cards.says(3, 31, "pid=4242, name=python, Ch 00000008, intr 00000000. MMU Fault")
    assert node.hook("prolog", job(1, "3")) == BLOCK
    assert node.shown()["reason"].startswith("aami:a:xid31:gpu3 ")


# -- two at once


@slow
def test_two_jobs_on_two_lost_gpus_are_both_kept_away(make_node: MakeNode) -> None:
    node = OneSlurm(make_node)
    for gpu in (0, 1):
        node.cards.pci(gpu, GONE)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda gpu: node.hook("prolog", job(gpu + 1, str(gpu))), (0, 1)))
    assert found == [BLOCK, BLOCK], node.events("drain", "rail-unknown")
    assert len(node.updates()) == 1


@slow
def test_a_node_that_is_out_for_one_gpu_keeps_jobs_from_another_lost_one(make_node: MakeNode) -> None:
    node = OneSlurm(make_node)
    node.cards.pci(5, GONE)
    node.hook("health")
    assert ":gpu5 " in node.shown()["reason"]
    node.cards.pci(0, GONE)
    assert node.hook("prolog", job(1, "0")) == BLOCK
    assert len(node.updates()) == 1


# -- what stands in the way


@slow
@pytest.mark.parametrize("trouble", ["lock", "disk"])
def test_a_drain_that_can_not_be_noted_still_blocks(make_node: MakeNode, trouble: str) -> None:
    node = OneSlurm(make_node)
    node.cards.pci(2, GONE)
    journal = node.root / "var/lib/aami-hpc/journal"
    then = {
        "lock": f"(flock -x {node.run}/lock sleep 4) >/dev/null 2>&1 </dev/null &",
        "disk": f"mv {journal} {journal}.kept; : >{journal}",
    }
    node.put(then=then[trouble])
    assert node.hook("prolog", job(1, "2")) == BLOCK, node.log()
    assert node.is_out


def test_the_pci_config_is_read_with_the_book_closed(make_node: MakeNode) -> None:
    """A read that does not return keeps nobody else's hook."""
    node = OneSlurm(make_node)
    config = node.root / "sys/bus/pci/devices" / f"{node.cards.bus_id(2)}.0" / "config"
    config.unlink()
    os.mkfifo(config)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(node.hook, "prolog", job(1, "2"))
        [handle] = until(lambda: _writer(config), "a reader", timeout=10, evidence=lambda: str(node.log()))
        try:
            status, seconds = node.timed("prolog", job(2, "0"))
            assert (status, seconds < 1) == (0, True), seconds
        finally:
            os.write(handle, CONFIG)
            os.close(handle)
        assert held.result() == 0
    started = [line["job_id"] for line in node.cards.node.lines("ledger") if line["op"] == "start"]
    assert (started, node.log()) == ([1, 2], [])


def _writer(path: Path) -> list[int]:
    """The writing end, once somebody reads."""
    try:
        return [os.open(path, os.O_WRONLY | os.O_NONBLOCK)]
    except OSError:
        return []


@slow
def test_health_says_that_it_got_no_lock_and_keeps_time_for_the_register(make_node: MakeNode) -> None:
    """Two nodes, since it takes the whole patience: of one the lock stays held, of the other it comes late."""
    never, late = OneSlurm(make_node), OneSlurm(make_node)
    late.cards.fault("hang")
    with (never.run / "lock").open("r+") as held, (late.run / "lock").open("r+") as released:
        fcntl.flock(held, fcntl.LOCK_EX)
        fcntl.flock(released, fcntl.LOCK_EX)
        timer = threading.Timer(9, lambda: fcntl.flock(released, fcntl.LOCK_UN))
        timer.start()
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(node.hook, "health") for node in (never, late)]
            for one in both:
                one.result()
    assert "lock" in never.log()[-1]
    assert json.loads((late.run / "probes/history.json").read_text())["unanswered"]


def test_a_health_lock_that_stays_held_is_said(make_node: MakeNode) -> None:
    """One that overlaps ends silently; one that has been at it for over a minute will never end."""
    node = OneSlurm(make_node)
    path = node.run / "health.lock"
    holder = subprocess.Popen(["flock", "-x", str(path), "sleep", "30"], start_new_session=True)
    try:
        until(lambda: _is_held(path), "the lock to be held", timeout=5, evidence=lambda: "")
        node.hook("health")
        assert node.log() == []
        (node.run / "health.began").write_text(str(int(time.monotonic()) - 90))
        node.hook("health")
        assert any("health" in line for line in node.log()), node.log()
    finally:
        os.killpg(holder.pid, 15)
        holder.wait()


def _is_held(path: Path) -> bool:
    with path.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_an_epilog_that_is_sent_again_does_not_end_the_next_run(make_node: MakeNode) -> None:
    """slurmd repeats what failed, and the requeued job may run here by then."""
    node = OneSlurm(make_node)
    node.hook("prolog", job(1, "2"))
    node.hook("epilog", job(1, "2", **ENDED))
    node.hook("prolog", job(1, "2", SLURM_JOB_RESTART_COUNT="1"))
    node.hook("epilog", job(1, "2", **ENDED))
    assert 'job_id="1"' in node.cards.node.metrics()
    ends = [line["restart"] for line in node.cards.node.lines("ledger") if line["op"] == "end"]
    assert set(ends) == {0}
    node.hook("epilog", job(1, "2", SLURM_JOB_RESTART_COUNT="1", **ENDED))
    assert "aami_gpu_job_info{" not in node.cards.node.metrics()


def test_one_path_in_two_rows_of_mounts_is_looked_at_once(make_node: MakeNode) -> None:
    node = OneSlurm(make_node, mounts=[{"path": "/home"}, {"nodes": NODE, "path": "/home"}])
    assert "mount-missing" in {event["check"] for event in node.events("check")}


@pytest.mark.parametrize("hook", ["prolog", "epilog", "health"])
def test_a_folder_among_what_was_left_kills_no_hook(make_node: MakeNode, hook: str) -> None:
    node = OneSlurm(make_node)
    (node.run / "spool").mkdir(exist_ok=True)
    (node.run / "spool/0.json").mkdir()
    assert node.hook(hook, job(1, "2", **ENDED)) == 0
    assert node.log() == []
    if hook != "health":
        assert node.cards.node.lines("ledger")
