"""When a hook asks the driver itself, and when what others saw is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.aami_slurm.cards import GONE
from tests.aami_slurm.one_slurm import ENFORCE, OneSlurm
from tests.aami_slurm.tree import job_environment

if TYPE_CHECKING:
    from tests.aami_slurm.fixtures import MakeNode

ENDED = {"SLURM_JOB_EXIT_CODE2": "0:0"}
HARMLESS = "NVRM: something of no interest"
FATAL = (
    "NVRM: nvGpuOpsReportFatalError: uvm encountered global fatal error 0x60, requiring os reboot to recover."
)
LOST = "pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
BLOCK = 1
SETTLE = 1.1  # seconds that a drain waits before it looks back
slow = pytest.mark.slow


def job(number: int, gpus: str | None, **more: str) -> dict[str, str]:
    return job_environment(number, gpus, **more)


def _rules(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**ENFORCE, "rules": list(rules), **more}


# -- what health found


@slow
@pytest.mark.parametrize("repaired", [False, True])
def test_what_health_found_on_the_jobs_gpus_is_asked_again(make_node: MakeNode, *, repaired: bool) -> None:
    """A GPU that was reset, on a node that was given back within the minute, keeps nobody away."""
    node = OneSlurm(make_node)
    well = node.cards.state
    node.cards.fault("needs-reset", gpu=2)
    node.hook("health")
    assert node.is_out
    node.give_back()
    if repaired:
        node.cards.put(well)
    assert node.hook("prolog", job(1, "2")) == (0 if repaired else BLOCK)
    assert node.is_out is not repaired
    assert node.log() == []


@slow
def test_what_health_found_stands_where_the_prolog_gets_no_answer(make_node: MakeNode) -> None:
    node = OneSlurm(make_node)
    node.cards.fault("needs-reset", gpu=2)
    node.hook("health")
    node.cards.fault("slow-init")
    assert node.hook("prolog", job(1, "2")) == BLOCK
    assert node.hook("prolog", job(2, "3")) == 0


MOUNT = _rules({"check": "mount-missing", "effect": "block-and-drain"})


@slow
@pytest.mark.parametrize("case", ["fresh", "without GPUs", "driver line"])
def test_a_fault_of_the_node_keeps_every_job_away(make_node: MakeNode, case: str) -> None:
    """A file system that is not mounted is missed by jobs without GPUs too, and asking the GPUs does not mend it."""
    node = OneSlurm(make_node, MOUNT, mounts=[{"path": "/data"}], looked=False)
    node.put(state="idle+maint")  # health finds it, and drains nothing
    for _ in range(2):  # it has to be missed twice
        node.hook("health")
    assert not node.updates()
    node.give_back()
    if case == "driver line":
        node.kernel(HARMLESS)
    assert node.hook("prolog", job(1, None if case == "without GPUs" else "0")) == BLOCK
    assert node.is_out


# -- for how long the driver is waited for


@slow
@pytest.mark.parametrize("known_by", ["kernel line", "PCI config"])
def test_who_knows_enough_to_block_does_not_wait_for_the_driver(make_node: MakeNode, known_by: str) -> None:
    """It may be slow because of this very fault, and the drain needs the time."""
    node = OneSlurm(make_node)
    node.cards.fault("slow-init")
    node.kernel(HARMLESS)
    if known_by == "PCI config":
        node.cards.pci(2, GONE)
    else:
        node.cards.says(2, 79, LOST)
    node.put(pause=0.25)
    status, seconds = node.timed("prolog", job(1, "2"))
    assert (status, node.is_out) == (BLOCK, True), node.log()
    assert seconds < SETTLE + 3 * 0.25 + 1.0


@slow
def test_the_prolog_waits_little_more_than_a_second_for_the_driver(make_node: MakeNode) -> None:
    node = OneSlurm(make_node)
    node.cards.fault("slow-init")
    node.kernel(HARMLESS)
    status, seconds = node.timed("prolog", job(1, "2"))
    assert (status, node.is_out) == (0, False)
    assert seconds < 1.2 + 0.6


@slow
def test_the_policy_says_how_long_health_waits_for_the_driver(make_node: MakeNode) -> None:
    node = OneSlurm(make_node, _rules({"check": "driver-answers", "budget_s": 1.0}))
    before = node.asked_at()
    node.cards.fault("slow-init")  # three seconds
    node.hook("health")
    assert node.asked_at() == before
    node.set(ENFORCE)
    node.hook("health")
    assert node.asked_at() > before


# -- lines of the driver


@slow
def test_a_harmless_line_of_the_driver_slows_one_job_down(make_node: MakeNode) -> None:
    node = OneSlurm(make_node)
    node.kernel(HARMLESS)
    assert node.hook("prolog", job(1, "0")) == 0
    node.cards.fault("slow-init")  # who asks now is slow
    for number in (2, 3):
        status, seconds = node.timed("prolog", job(number, "0"))
        assert (status, seconds < 0.9) == (0, True), seconds


@slow
@pytest.mark.parametrize("reader", ["job without GPUs", "other GPU", "nobody", "epilog"])
def test_a_line_of_the_driver_that_another_hook_read_sends_the_next_job_to_its_gpus(
    make_node: MakeNode, reader: str
) -> None:
    node = OneSlurm(make_node)
    if reader == "epilog":
        node.hook("prolog", job(1, "0"))
    node.kernel(FATAL)
    node.cards.fault("needs-reboot", gpu=5)
    if reader == "epilog":
        node.hook("epilog", job(1, "0", **ENDED))
    elif reader != "nobody":
        assert node.hook("prolog", job(1, "0" if reader == "other GPU" else None)) == 0
    assert node.hook("prolog", job(2, "5")) == BLOCK


def test_a_look_of_healths_ends_what_a_line_of_the_driver_began(make_node: MakeNode) -> None:
    node = OneSlurm(make_node)
    node.kernel(HARMLESS)
    assert node.hook("prolog", job(1, None)) == 0
    node.hook("health")
    node.cards.fault("slow-init")
    status, seconds = node.timed("prolog", job(2, "5"))
    assert (status, seconds < 0.9) == (0, True), seconds


@slow
def test_lost_kernel_records_may_have_been_the_drivers(make_node: MakeNode) -> None:
    node = OneSlurm(make_node, looked=False)
    node.kernel("a line")
    node.hook("health")
    node.cards.fault("needs-reboot", gpu=2)
    node.kernel("another", skip=500)
    assert node.hook("prolog", job(1, "2")) == BLOCK


@pytest.mark.parametrize(
    "text",
    [
        "NVRM: hello[4242]: segfault at 0 ip 0000000000000000 sp 00007ffd00000000 error 4 in a.out[400000+1000]",
        "traps: NVRM: x[4242] general protection fault ip:0 sp:0 error:0",
        "Out of memory: Killed process 4242 (NVRM: hello) total-vm:1kB, anon-rss:1kB",
    ],
)
def test_a_process_that_is_named_like_the_driver_is_none(make_node: MakeNode, text: str) -> None:
    """Else any user could have health ask the driver beside everybody's jobs."""
    node = OneSlurm(make_node)
    node.hook("prolog", job(1, "2"))
    before = node.asked_at()
    node.kernel(text)
    node.hook("health")
    assert node.asked_at() == before
    node.kernel(HARMLESS)
    node.hook("health")
    assert node.asked_at() > before


@slow
@pytest.mark.parametrize("repaired", [False, True])
def test_a_line_that_had_its_consequence_still_sends_the_next_job_to_its_gpus(
    make_node: MakeNode, *, repaired: bool
) -> None:
    """A job may have been given the GPU in the moment of the drain; or the GPU was mended within the hour."""
    node = OneSlurm(make_node)
    well = node.cards.state
    node.hook("prolog", job(1, "0"))
    node.cards.says(5, 79, LOST)
    node.cards.fault("lost", gpu=5)
    node.hook("epilog", job(1, "0", **ENDED))
    assert node.is_out
    if repaired:
        node.give_back()
        node.cards.put(well)
    assert node.hook("prolog", job(2, "5")) == (0 if repaired else BLOCK)
    assert len(node.updates()) == 1


# -- what is owed


@slow
def test_a_drain_that_slurm_could_not_be_asked_for_is_tried_again_at_the_next_look(
    make_node: MakeNode,
) -> None:
    """The driver is asked at once, whatever the interval, until the drain is made or was not right."""
    node = OneSlurm(make_node)
    node.kernel(HARMLESS)
    node.cards.fault("needs-reboot", gpu=2)
    node.put(status=1)
    assert node.hook("prolog", job(1, "2")) == 0
    assert [event["kind"] for event in node.events("drain", "rail-unknown")] == ["rail-unknown"]
    for _ in range(2):
        before = node.asked_at()
        node.hook("health")
        assert node.asked_at() > before
    node.put(status=0)
    node.hook("health")
    assert node.is_out
    assert node.shown()["reason"].startswith("aami:a:")
    before = node.asked_at()
    node.hook("health")
    assert node.asked_at() == before  # and then no more often than else


@slow
def test_a_drain_that_is_owed_beside_a_quiet_job_is_made_when_that_ends(make_node: MakeNode) -> None:
    """The driver is not asked while it runs, whatever is owed."""
    node = OneSlurm(make_node, {**ENFORCE, "quiet_partitions": ["main"]})
    before = node.asked_at()
    node.kernel(HARMLESS)
    node.cards.fault("needs-reboot", gpu=2)
    node.put(status=1)
    assert node.hook("prolog", job(1, "2")) == 0
    node.put(status=0)
    node.hook("health")
    assert node.asked_at() == before
    node.hook("epilog", job(1, "2", **ENDED))
    assert node.is_out


@slow
def test_lines_that_nobody_believes_slow_no_job_down(make_node: MakeNode) -> None:
    """A process of that name that crashes, or a line of another bus: the driver is slow here, and nobody waits for it."""
    node = OneSlurm(make_node)
    node.kernel(
        "NVRM: Xid 79: x[4242]: segfault at 0 ip 0000000000000000 sp 00007ffd00000000 error 4 in a.out[400000+1]"
    )
    node.hook("health")
    node.cards.put(node.cards.state.with_fault("slow-init"))
    status, seconds = node.timed("prolog", job(1, "2"))
    assert (status, seconds < 0.9) == (0, True), seconds
    assert node.events("unattributed")
