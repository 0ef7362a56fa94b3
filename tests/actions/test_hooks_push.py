"""`hooks push` and its neighbours against real SSH servers: what is observed, not what was ordered."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from aami_hpc.actions.hooks_remove import calls_a_launcher
from aami_hpc.errors import NodeConflict, SlurmUnreachable, UnknownNode, UsageFault
from aami_hpc.render.plain import to_text
from aami_hpc.testing.sshd import SshNode, ssh_node
from tests.actions.hooks_site import GPU, Site, endings, only
from tests.io.ssh_support import living, talker, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[SshNode]:
    with ssh_node(ports=4) as started:
        yield started


@pytest.fixture
def site(tmp_path: Path, server: SshNode) -> Site:
    return Site(tmp_path, server)


def test_three_nodes_get_it_run_it_and_a_second_push_changes_nothing(site: Site) -> None:
    result = site.push()
    assert result.yes
    name = result.data["generation"]
    assert only(result) == {
        "outcome": "pushed", "generation": name, "before": None, "nodes": "gpu-[001-003]", "count": 3, "detail": "",
        "hint": "",
    }  # fmt: skip
    for node in GPU:
        machine = site.machine(node)
        assert machine.says() == "one"
        assert (machine.root / "etc/aami-hpc/node-name").read_text() == f"{node}\n"
        assert machine.leftovers() == []
    assert "3 of 3 nodes run what this configuration makes, generation" in to_text(result.document)

    again = site.push()
    assert again.yes
    assert set(endings(again).values()) == {"unchanged"}
    assert only(again)["generation"] == name
    assert again.data["content"] == result.data["content"]
    assert site.machine("gpu-001").names() == [name]
    assert site.asked == [list(GPU), list(GPU)]


def test_the_dry_run_says_the_same_and_changes_nothing(site: Site) -> None:
    dry = site.push(dry_run=True)
    assert dry.yes
    assert dry.data["dry_run"]
    assert set(endings(dry).values()) == {"would-push"}
    assert site.asked == []
    assert all(site.machine(node).names() == [] for node in GPU)
    assert "Nothing was changed: 3 of 3 nodes would get generation" in to_text(dry.document)
    done = site.push()
    assert done.data["content"] == dry.data["content"]
    assert set(endings(site.push(dry_run=True)).values()) == {"unchanged"}


def test_status_tells_who_runs_what_and_what_was_changed(site: Site) -> None:
    before = site.status()
    assert not before.yes
    assert set(endings(before).values()) == {"nothing-there"}
    first = site.push().data["generation"]
    fine = site.status()
    assert fine.yes
    assert fine.data["generation"] == first
    assert "3 of 3 nodes run what this configuration makes, unharmed" in to_text(fine.document)

    site.changed("two")
    site.push("gpu-001")
    (site.machine("gpu-002").root / "usr/libexec/aami-hpc/prolog").write_text("#!/bin/sh\n")
    found = site.status()
    assert not found.yes
    assert endings(found) == {"gpu-001": "ok", "gpu-002": "drift", "gpu-003": "outdated"}
    assert found.data["nodes"]["gpu-001"]["previous"] == [first]
    assert found.data["nodes"]["gpu-002"]["detail"] == "prolog is not the generation's"
    assert found.data["nodes"]["gpu-003"]["generation"] == first
    assert "prolog is not the generation's" in to_text(found.document)
    assert site.push().yes
    assert site.status().yes


def test_status_works_while_slurm_is_silent(site: Site) -> None:
    site.push()
    site.slurm_is_silent()
    found = site.status()
    assert found.yes
    assert found.data["content"] is None
    assert found.data["remarks"][0].startswith(
        "What this configuration would push is not known: Slurm's controller"
    )


def test_nothing_is_pushed_while_slurm_is_silent(site: Site) -> None:
    site.slurm_is_silent()
    with pytest.raises(SlurmUnreachable):
        site.push()


def test_rollback_goes_back_and_each_node_to_its_own(site: Site) -> None:
    first = site.push().data["generation"]
    site.changed("two")
    second = site.push("gpu-[001-002]").data["generation"]
    back = site.rollback()
    assert not back.yes
    assert endings(back) == {"gpu-001": "switched", "gpu-002": "switched", "gpu-003": "failed"}
    assert back.data["nodes"]["gpu-001"] | {"python": ""} == {
        "outcome": "switched", "generation": first, "before": second, "detail": "", "python": "",
    }  # fmt: skip
    assert back.data["nodes"]["gpu-003"]["detail"] == "find: there is no generation to go back to"
    assert back.data["nodes"]["gpu-003"]["generation"] == first
    assert {site.machine(node).says() for node in GPU} == {"one"}
    forward = site.rollback("gpu-[001-002]", to=second)
    assert forward.yes
    assert site.machine("gpu-001").says() == "two"
    assert set(endings(site.rollback("gpu-[001-002]", to=second)).values()) == {"unchanged"}


def test_rollback_refuses_what_is_no_generation(site: Site) -> None:
    with pytest.raises(UsageFault, match="no generation"):
        site.rollback(to="../..")
    assert endings(site.rollback("gpu-001")) == {"gpu-001": "nothing-there"}


def test_remove_leaves_what_was_recorded(site: Site) -> None:
    site.push()
    journal = site.machine("gpu-001").root / "var/lib/aami-hpc/journal/1"
    journal.parent.mkdir(parents=True)
    journal.write_text("x")
    gone = site.remove()
    assert gone.yes
    assert set(endings(gone).values()) == {"removed"}
    assert gone.data["kept"] == "/var/lib/aami-hpc"
    assert journal.read_text() == "x"
    assert not (site.machine("gpu-001").root / "usr/libexec/aami-hpc").exists()
    assert set(endings(site.remove()).values()) == {"unchanged"}
    assert set(endings(site.status()).values()) == {"nothing-there"}


@pytest.mark.parametrize(
    "programs",
    [
        {"Prolog": "/usr/libexec/aami-hpc/prolog"},
        {"Epilog[0]": "/etc/slurm/site", "Epilog[1]": "/usr/libexec/aami-hpc/epilog"},
        {"HealthCheckProgram": "/usr/libexec/aami-hpc/*"},
        {"Prolog": "/usr/libexec/*/prolog"},
    ],
)
def test_remove_is_refused_while_slurm_names_a_launcher(site: Site, programs: dict[str, str]) -> None:
    site.push("gpu-001")
    site.slurm_says(ClusterName="alpha", **programs)
    refused = site.remove("gpu-001")
    assert not refused.yes
    assert [one["parameter"] for one in refused.data["refused"]] == [next(iter(programs)).partition("[")[0]]
    assert refused.data["nodes"] == {}
    assert site.asked[1:] == []
    assert site.machine("gpu-001").says() == "one"
    assert "drains it" in to_text(refused.document)


@pytest.mark.parametrize(
    ("value", "calls"),
    [
        ("/etc/slurm/aami-prolog", False),
        ("aami-prolog", False),
        ("/etc/slurm/prolog.d/*", False),
        ("/usr/libexec/aami-hpc-other/prolog", False),
        ("/site, /usr/libexec/aami-hpc/prolog", True),
        ("/usr/*/aami-hpc/*", True),
    ],
)
def test_the_launcher_beside_slurm_conf_does_not_stand_in_the_way(value: str, *, calls: bool) -> None:
    assert calls_a_launcher(value) is calls


def test_remove_is_refused_while_nobody_says_what_slurm_calls(site: Site) -> None:
    site.push("gpu-001")
    site.slurm_is_silent()
    with pytest.raises(SlurmUnreachable):
        site.remove("gpu-001")
    assert site.machine("gpu-001").says() == "one"


def test_nodes_that_can_not_be_reached_are_named_and_the_others_get_it(site: Site) -> None:
    site.ssh["connect_timeout"] = "3s"
    with talker(hold=True) as silent:
        site.at("gpu-002", silent)
        site.at("gpu-003", 1)
        result = site.push()
        found = site.status()
    assert not result.yes
    assert endings(result) == {"gpu-001": "pushed", "gpu-002": "unreachable", "gpu-003": "unreachable"}
    assert result.data["nodes"]["gpu-002"]["detail"].startswith("no answer in time")
    assert result.data["nodes"]["gpu-003"]["detail"].startswith("connection refused")
    assert not found.yes
    assert endings(found)["gpu-001"] == "ok"
    text = to_text(result.document)
    assert "1 of 3 nodes run what this configuration makes" in text
    assert "What to do" in text


def test_a_node_without_python_is_told_what_it_needs(site: Site) -> None:
    site.hooks["python"] = "/opt/no/python3"
    result = site.push("gpu-001")
    assert endings(result) == {"gpu-001": "no-python"}
    assert "/opt/no/python3" in result.data["nodes"]["gpu-001"]["detail"]
    assert only(result)["hint"]
    assert site.machine("gpu-001").names() == []


def test_the_python_that_is_set_is_used_and_written_down(site: Site, tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.symlink_to("/usr/bin/python3")
    site.push("gpu-001")
    site.hooks["python"] = str(python)
    assert endings(site.push("gpu-001")) == {"gpu-001": "pushed"}
    assert (site.machine("gpu-001").library / "current/python").read_text() == f"{python}\n"
    assert site.machine("gpu-001").says() == "one"


def test_a_broken_tree_stops_at_its_own_test_and_the_old_one_stays(site: Site) -> None:
    from tests.hooks.support import sources

    first = site.push().data["generation"]
    site.sources = sources(site.folder / "sources", "bad", check="raise SystemExit('settings are broken')")
    result = site.push()
    assert not result.yes
    group = only(result)
    assert (group["outcome"], group["generation"], group["count"]) == ("failed", first, 3)
    assert group["detail"] == "self-test: the tree's own test ended with 1: settings are broken"
    assert site.machine("gpu-002").says() == "one"


def test_a_connection_that_is_lost_in_the_middle_leaves_the_old_one_in_force(
    site: Site, tmp_path: Path
) -> None:
    from tests.hooks.support import sources

    with ssh_node(keys=site.server.keys) as mortal:
        site.at("gpu-001", mortal.port)
        known = tmp_path / "known_hosts"
        known.write_text(known.read_text() + mortal.known_hosts("gpu-001"))
        site.push("gpu-001")
        marker = f"17.{os.getpid()}"  # seconds that nobody else sleeps
        check = f"__import__('os').execv('/bin/sleep', ['sleep', '{marker}'])"
        site.sources = sources(site.folder / "sources", "slow", check=check)

        def crash() -> None:
            deadline = time.monotonic() + 30
            while not living(marker) and time.monotonic() < deadline:
                time.sleep(0.02)
            mortal.crash()

        thread = threading.Thread(target=crash)
        thread.start()
        result = site.push("gpu-001")
        thread.join()
    assert endings(result) == {"gpu-001": "unreachable"}
    assert result.data["nodes"]["gpu-001"]["generation"] is None, "what runs there now is not known"
    assert site.machine("gpu-001").says() == "one"
    wait_for(marker, 0)  # the node ends it when our side is gone
    site.at("gpu-001", site.server.ports[0])
    site.changed("two")
    assert site.push("gpu-001").yes
    left = site.machine("gpu-001").leftovers()
    assert all("/.upload-" in path for path in left), "an upload may be under way: it goes when it is old"
    for path in left:
        os.utime(site.machine("gpu-001").root / path, (1, 1))
    site.changed("three")
    assert site.push("gpu-001").yes
    assert site.machine("gpu-001").leftovers() == []


def test_a_disk_without_room_is_told_before_anything_is_sent(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aami_hpc.hooks import work

    monkeypatch.setattr(work, "_SPARE", 1 << 60)
    result = site.push("gpu-001")
    assert endings(result) == {"gpu-001": "no-space"}
    assert "MB are free" in result.data["nodes"]["gpu-001"]["detail"]
    assert site.machine("gpu-001").names() == []


def test_a_drifted_node_is_put_right_by_a_push(site: Site) -> None:
    site.push("gpu-001")
    machine = site.machine("gpu-001")
    (machine.library / "current/aami_slurm/says.py").write_text('WORDS = "forged"\n')
    dry = site.push("gpu-001", dry_run=True)
    assert dry.data["nodes"]["gpu-001"]["detail"] == "the tree is damaged: aami_slurm/says.py was changed"
    time.sleep(1)  # a generation is named after its second
    assert endings(site.push("gpu-001")) == {"gpu-001": "pushed"}
    assert machine.says() == "one"
    assert machine.look().damage == ()


def test_two_names_of_one_machine_are_refused(site: Site) -> None:
    site.at("gpu-002", site.server.ports[0])
    with pytest.raises(NodeConflict, match=r"gpu-\[001-002\] are one machine"):
        site.push()


def test_without_a_range_the_nodes_of_slurm_are_meant_and_absent_ones_skipped(site: Site) -> None:
    spare = iter(range(2, 100))
    for name in ("gpu-004", "gpu-005", "cpu-001", "lone1"):
        site.at(name, next(spare))
    site.nodes["login1"] = {"address": "127.0.0.1", "ssh_port": 1}
    result = site.push(None)
    assert set(result.data["nodes"]) == {*GPU, "gpu-004", "gpu-005", "cpu-001", "lone1"}
    assert {one["node"] for one in result.data["skipped"]} == {"cloud1", "cloud2", "future1", "future2"}
    assert set(endings(site.push("login1")).values()) == {"unreachable"}


def test_a_policy_with_a_node_nobody_knows_reaches_no_node(site: Site) -> None:
    site.policy["rules"] = [{"check": "xid", "nodes": "gpu-[001-009]", "mode": "enforce"}]
    with pytest.raises(UnknownNode, match=r"policy\.rules\.0: no node is called gpu-006"):
        site.push()
    assert site.machine("gpu-001").names() == []


def test_what_the_settings_name_and_nodes_do_not_have_is_remarked(site: Site) -> None:
    site.slurm_says(ClusterName="alpha", HealthCheckProgram="/usr/sbin/nhc")
    result = site.push("gpu-001")
    below, remark = result.data["remarks"]
    assert below.startswith("AAMI_ROOT is set")
    assert remark.startswith("HealthCheckProgram is /usr/sbin/nhc")
    site.hooks["health"] = "timer"
    site.slurm_says(ClusterName="alpha", HealthCheckProgram="/usr/libexec/aami-hpc/health")
    result = site.push("gpu-001")
    _, remark = result.data["remarks"]
    assert remark.startswith("Health runs twice")
    assert (site.machine("gpu-001").root / "etc/systemd/system/aami-health.timer").exists()


def test_nodes_that_could_not_ask_slurm_are_named(site: Site) -> None:
    site.slurm["conf"] = "/nowhere/slurm.conf"
    result = site.push("gpu-[001-002]")
    assert result.yes
    assert result.data["remarks"][-1] == (
        "/nowhere/slurm.conf is not there on gpu-[001-002]: hooks there can't ask Slurm. See slurm.conf"
    )


def test_hostile_answers_are_told_as_text(site: Site, tmp_path: Path) -> None:
    """A node that lies is a node that failed; what it says is cut, escaped, and never more."""
    python = tmp_path / "python3"
    said = '{"ok": false, "step": "\\u001b[2J", "detail": "' + "x" * 5000 + '", "generation": "../../etc"}'
    python.write_text(f"#!/bin/sh\nprintf '%s\\n' '{said}'\n")
    python.chmod(0o755)
    site.hooks["python"] = str(python)
    result = site.push("gpu-001")
    assert endings(result) == {"gpu-001": "failed"}
    found = result.data["nodes"]["gpu-001"]
    assert found["generation"] is None
    assert len(found["detail"]) < 500
    python.write_text("#!/bin/sh\necho nonsense\n")
    assert (
        site.push("gpu-001").data["nodes"]["gpu-001"]["detail"] == "answer: The node's answer can't be read"
    )
