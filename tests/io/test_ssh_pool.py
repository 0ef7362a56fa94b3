"""Many hosts: limits that hold, clocks that wait, outputs that are shared, a list that never stands in memory."""

from __future__ import annotations

import asyncio
import resource
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aami_hpc.io.ssh import Kind, Outcome, SshOptions, SshPool, Target
from aami_hpc.io.ssh.limits import claim, grant
from aami_hpc.testing.sshd import SshNode, ssh_node
from tests.io.ssh_support import local, many, script, talker, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aami_hpc.io.ssh import Host

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node() -> Iterator[SshNode]:
    with ssh_node(ports=16) as started:
        yield started


def hosts(node: SshNode) -> list[Target]:
    return [Target(f"gpu-{number:03}", node.address, port) for number, port in enumerate(node.ports)]


def options(folder: Path, node: SshNode, **changes: Any) -> SshOptions:
    return world(folder, node, names=[one.name for one in hosts(node)], **changes)


def test_no_more_hosts_are_connected_than_allowed(node: SshNode, tmp_path: Path) -> None:
    now, most = 0, 0

    async def work(host: Host) -> Outcome:
        nonlocal now, most
        now += 1
        most = max(most, now)
        outcome = await host.run("echo $SSH_CONNECTION")
        now -= 1
        return outcome

    outcomes, remarks = many(options(tmp_path, node, connections=3), hosts(node), tmp_path, work)
    assert len(outcomes) == 16
    assert all(outcome.ok for outcome in outcomes.values())
    assert most == 3
    assert remarks == []


def test_the_clock_does_not_run_while_a_host_waits_for_its_place(node: SshNode, tmp_path: Path) -> None:
    """One place, eight hosts, each busy for long: together they take many times the time for a login."""
    chosen = options(tmp_path, node, connections=1, connect_timeout=5)
    began = time.monotonic()
    outcomes, _ = many(chosen, hosts(node)[:8], tmp_path, script("sleep 0.7"))
    took = time.monotonic() - began
    assert {outcome.kind for outcome in outcomes.values()} == {Kind.OK}
    assert took > 5
    assert (
        sum(outcome.seconds for outcome in outcomes.values()) < took * 1.1
    )  # with the waiting it would be 4 × took


def test_outcomes_come_as_hosts_are_done_and_a_slow_one_holds_nobody_up(
    node: SshNode, tmp_path: Path
) -> None:
    async def run() -> list[str]:
        with talker(hold=True) as port:
            silent = Target("slow", "127.0.0.1", port)
            chosen = options(tmp_path, node, connections=2, connect_timeout=8)
            async with SshPool(chosen, local=local(tmp_path)) as pool:
                found = []
                async for outcome in pool.each([silent, *hosts(node)[:5]], script("true")):
                    found.append(outcome.name)
                    if len(found) == 5:
                        break  # and the rest is let go
                return found

    assert "slow" not in asyncio.run(run())


def test_a_defect_in_the_work_is_not_swallowed(node: SshNode, tmp_path: Path) -> None:
    async def work(_: Host) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        many(options(tmp_path, node), hosts(node), tmp_path, work)


def test_equal_outputs_are_one_object(node: SshNode, tmp_path: Path) -> None:
    text = "head -c 200000 /dev/zero | tr '\\0' x"
    outcomes, _ = many(options(tmp_path, node), hosts(node), tmp_path, script(text))
    assert {len(outcome.stdout) for outcome in outcomes.values()} == {200_000}
    assert len({id(outcome.stdout) for outcome in outcomes.values()}) == 1


def test_ten_thousand_hosts_do_not_mean_ten_thousand_buffers(tmp_path: Path) -> None:
    """The work here needs no host: what is measured is what `each` itself holds."""
    size, connections = 20_000, 8

    class Quick(SshPool):
        async def one(self, target: Target, work: object) -> Outcome:
            await asyncio.sleep(0)
            return Outcome(target.name, Kind.OK, stdout=bytes(size - 4) + int(target.name).to_bytes(4, "big"))

    async def run() -> int:
        seen = 0
        async with Quick(SshOptions(connections=connections), local=local(tmp_path)) as pool:
            tracemalloc.start()
            async for _ in pool.each((Target(str(number)) for number in range(10_000)), script("")):
                seen += 1
        return seen

    try:
        assert asyncio.run(run()) == 10_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 150 * size  # not 10,000 times


@given(wanted=st.integers(1, 5000), soft=st.integers(3, 70_000), more=st.integers(0, 70_000))
def test_what_fits_into_nofile(wanted: int, soft: int, more: int) -> None:
    granted, new = grant(wanted, soft, soft + more)
    assert soft <= new <= soft + more
    assert 1 <= granted.connections <= wanted
    assert bool(granted.remark) is (granted.connections < wanted)
    if granted.connections > 1:
        assert granted.connections * 4 + 64 <= new


def test_the_soft_limit_is_raised_and_what_still_does_not_fit_is_said() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = hard if hard != resource.RLIM_INFINITY else 1_000_000
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert claim(100).connections == 100
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 464
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        if hard != resource.RLIM_INFINITY:
            granted = claim(room)
            assert granted.connections < room
            assert granted.remark.startswith(f"At most {granted.connections} hosts are connected at once")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_limit_of_disruption_is_a_gate_for_all_hosts(node: SshNode, tmp_path: Path) -> None:
    now, most = 0, 0

    async def work(host: Host) -> Outcome:
        nonlocal now, most
        async with host.limits.disruption:
            now += 1
            most = max(most, now)
            outcome = await host.run("true")
            now -= 1
        return outcome

    many(options(tmp_path, node, disruption=1), hosts(node)[:6], tmp_path, work)
    assert most == 1


def test_a_connection_kept_for_later_makes_way_for_another_host(node: SshNode, tmp_path: Path) -> None:
    async def run() -> None:
        async with SshPool(options(tmp_path, node, connections=1), local=local(tmp_path)) as pool:
            for one in (*hosts(node)[:3], hosts(node)[0]):
                assert (await asyncio.wait_for(pool.one(one, script("true")), 20)).ok

    asyncio.run(run())


def test_new_keys_of_many_hosts_are_written_in_one_go(node: SshNode, tmp_path: Path) -> None:
    chosen = world(
        tmp_path,
        known_hosts=tmp_path / "known",
        identity_files=(node.keys.client,),
        accept_new_host_keys=True,
    )
    outcomes, _ = many(chosen, hosts(node), tmp_path, script("true"))
    assert all(outcome.ok for outcome in outcomes.values())
    names = [line.partition("]")[0] for line in (tmp_path / "known").read_text().splitlines()]
    assert names == [f"[gpu-{number:03}" for number in range(16)]
