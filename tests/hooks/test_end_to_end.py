"""From a bare Slurm to hooks that drain a bad node, and back out: docs/hooks.md, walked on real nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs import DOCS
from tests.docs.console import examples
from tests.hooks.gpu_site import Site, sections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.nodes import NodeLab

pytestmark = pytest.mark.lab

LINES = (
    "Prolog=/etc/slurm/aami-prolog",
    "Epilog=/etc/slurm/aami-epilog",
    "PrologEpilogTimeout=60",
    "HealthCheckProgram=/usr/libexec/aami-hpc/health",
    "HealthCheckInterval=60",
)
OFTEN = (*LINES[:-1], "HealthCheckInterval=3")  # a test has no minute to wait
HEALTH, NHC = "/usr/libexec/aami-hpc/health", "/usr/sbin/nhc"


@pytest.fixture(scope="module")
def gpu_site(node_lab_slurm: NodeLab) -> Site:
    return Site(node_lab_slurm)


@pytest.fixture
def bare(gpu_site: Site) -> Site:
    """Slurm and GPUs, and nothing of ours."""
    gpu_site.leave()
    return gpu_site


@pytest.fixture
def site(gpu_site: Site) -> Site:
    """The hooks are on every node, and Slurm calls them."""
    gpu_site.hooked(*LINES)
    return gpu_site


def test_a_new_administrator_follows_the_page(bare: Site, tmp_path: Path) -> None:
    bare.page("Step 1: ask the doctor", tmp_path)
    bare.said("aami-hpc init")
    for key, value in (("nvml", "libnvidia-ml.so.1"), ("nvidia_smi", "nvidia-smi"), ("kmsg", "kmsg")):
        bare.said(f"aami-hpc config set hooks.{key} /usr/lib/fake-gpu/{value}")
    bare.page("Step 2: put the hooks onto the nodes", tmp_path)
    told = bare.hooks("doctor", status=1)
    assert told["proposal"]["lines"] == [], "the launchers are nowhere yet"
    bare.do(told["proposal"]["steps"])
    bare.page("Step 4: get the lines", tmp_path)
    told = bare.hooks("doctor", status=1)
    assert tuple(told["proposal"]["lines"]) == LINES
    assert told["proof"]["proven"] is True
    bare.slurm(*LINES, reconfigure=False)
    bare.page("Step 5: see a job through", tmp_path)

    jobs_are_known_by_name(bare)

    bare.page("Step 7: weeks later, enforce", tmp_path)
    bare.slurm(*OFTEN)
    bare.gpus["gpu001"].lose(5)
    bare.until(lambda: bare.reason("gpu001").startswith("aami:a:xid79:gpu5 "), "gpu001 drained")
    bare.wait_events("gpu001", "drain")
    bare.gpus["gpu002"].says(5, 31, "pid=4242, name=python, Ch 00000008")  # a user's own mistake
    bare.gpus["gpu003"].lose(5)  # in shadow: recorded, and in service
    bare.wait_events("gpu003", "decision")
    bare.wait_events("gpu002", "xid", 2)
    assert bare.said("sinfo --noheader --states=drain --format=%N").strip() == "gpu001"
    bare.gpus["gpu001"].repair()
    bare.page("Step 8: when a node drains", tmp_path)
    looked = last_look(bare, "gpu001")
    bare.until(lambda: last_look(bare, "gpu001") != looked, "another look of health")
    assert bare.said("sinfo --noheader --states=drain --format=%N").strip() == ""

    bare.slurm()
    bare.page("Getting out", tmp_path)
    bare.wait_job(bare.job("gpu001", "true", "--gres=gpu:1"))
    bare.gpus["gpu003"].repair()


def jobs_are_known_by_name(site: Site) -> None:
    """Jobs of an ordinary user on GPUs: in the ledger, in the metrics while they run, and beside the Xid they caused."""
    jobs = {name: site.job(name, "sleep 3", "--gres=gpu:2") for name in site.lab.nodes}
    for name, job in jobs.items():
        gpus = site.gpus[name]
        run = site.ledger(name, job)
        assert (run["user"], run["partition"], run["gpus_told"]) == ("ops", "gpu", "0,1")
        assert [gpu["uuid"] for gpu in run["gpus"]] == [gpus.uuid(0), gpus.uuid(1)]
        gpus.says(1, 31, "pid=4242, name=python, Ch 00000008, intr 00000000. MMU Fault")
        series = site.lab.nodes[name].inside("cat", "/var/lib/prometheus/node-exporter/aami.prom")
        assert f'gpu_uuid="{gpus.uuid(1)}",job_id="{job}",user="ops"' in series
    for name, job in jobs.items():
        site.wait_job(job)
        [event] = site.wait_events(name, "xid")
        assert (event["gpu_uuid"], event["code"]) == (site.gpus[name].uuid(1), 31)
        assert [run["job_id"] for run in event["jobs"]] == [job]
        assert len(json.loads(site.said(f"ssh {name} aami-node inventory --json"))["gpus"]) == 8
        problems = [one for one in site.ask(name, "doctor")["looks"] if one["state"] == "problem"]
        assert problems == []


def last_look(site: Site, node: str) -> str:
    looks = {one["what"]: one["words"] for one in site.ask(node, "doctor")["looks"]}
    return str(looks["health ran"])


def test_every_example_of_the_page_is_replayed_here() -> None:
    """In the order of the page; what a section's examples need, the tests of this file do in between."""
    steps = [f"Step {number}" for number in (1, 2, 4, 5, 6, 7, 8)]
    assert [title.partition(":")[0] for title in sections()] == [*steps, "Getting out"]
    assert len(list(examples(DOCS / "hooks.md"))) == sum(text.count("\n$ ") for text in sections().values())


def test_health_runs_from_a_timer_where_nhc_is(site: Site, tmp_path: Path) -> None:
    lines = [line.replace(HEALTH, NHC) for line in OFTEN]
    for name in site.lab.nodes:
        node = site.lab.nodes[name]
        node.write(NHC, "#!/bin/sh\ntouch /run/nhc-ran\n", mode=0o755)
        soon = "[Timer]\nOnActiveSec=1s\nRandomizedDelaySec=0\n"
        node.write("/etc/systemd/system/aami-health.timer.d/soon.conf", soon)
    site.slurm(*lines)
    told = site.hooks("doctor")
    assert told["proposal"]["steps"][0]["do"] == "aami-hpc config set hooks.health timer"
    assert "set hooks.health to timer" in site.hooks("push")["remarks"][0]
    before = last_look(site, "gpu001")
    site.page("Step 6: where NHC or another health check is", tmp_path)
    site.until(lambda: last_look(site, "gpu001") != before, "health, by the timer")
    assert site.lab.nodes["gpu001"].run("systemctl show -P Result aami-health.service") == "success\n"
    site.until(lambda: site.lab.nodes["gpu001"].try_run("test -e /run/nhc-ran").returncode == 0, "NHC's run")
    told = site.hooks("doctor")
    assert told["proposal"]["steps"] == []
    assert not [one for one in told["findings"] if one["level"] == "problem"]


def test_a_node_that_boots_without_our_files_runs_jobs(site: Site) -> None:
    node = site.lab.nodes["gpu003"]
    node.run(
        "rm -rf /usr/lib/aami-hpc /usr/libexec/aami-hpc /etc/aami-hpc /var/lib/aami-hpc /usr/bin/aami-node"
    )
    node.reboot()
    site.wait_idle()
    site.wait_job(site.job("gpu003", "true", "--gres=gpu:1"))
    assert site.reason("gpu003") == "none"
    told = site.hooks("doctor")
    assert "Our files are not on gpu003" in [one["what"] for one in told["findings"]]
    assert site.hooks("status", status=1)["nodes"]["gpu003"]["outcome"] == "nothing-there"
    assert site.hooks("push")["nodes"]["gpu003"]["outcome"] == "pushed"
    job = site.job("gpu003", "true", "--gres=gpu:1")
    site.wait_job(job)
    assert site.ask("gpu003", "ledger", "--job", str(job))["runs"], "the new boot remembers from here on"


def test_without_a_kernel_log_jobs_run_and_it_is_said(site: Site) -> None:
    site.configure({"kmsg": "/dev/kmsg"})  # which these nodes don't have
    site.hooks("push", "gpu001")
    job = site.job("gpu001", "true", "--gres=gpu:2")
    site.wait_job(job)
    [run] = site.ask("gpu001", "ledger", "--job", str(job))["runs"]
    assert len(run["gpus"]) == 2
    missing = [one for one in site.events("gpu001", "error") if one["what"] == "kernel-log"]
    assert [one["words"] for one in missing] == ["/dev/kmsg: No such file or directory"]
    looks = {one["what"]: one for one in site.ask("gpu001", "doctor")["looks"]}
    assert looks["kernel log"]["state"] == "problem"
    assert site.reason("gpu001") == "none"


def test_remove_waits_until_slurm_no_longer_calls_our_programs(site: Site) -> None:
    refused = site.hooks("remove", status=1)
    assert refused["refused"] == [{"parameter": "HealthCheckProgram", "value": HEALTH}]
    assert refused["nodes"] == {}
    first = site.hooks("status")["generation"]
    site.configure({"gres_order": "minor"})
    site.hooks("push", "gpu001")
    assert site.hooks("rollback", "gpu001")["nodes"]["gpu001"]["generation"] == first
    assert site.hooks("status", status=1)["nodes"]["gpu001"]["outcome"] == "outdated"
    site.slurm(*LINES[:3])  # the launchers may stay: they end well without us
    removed = site.hooks("remove")
    assert {one["outcome"] for one in removed["nodes"].values()} == {"removed"}
    site.wait_job(site.job("gpu001", "true", "--gres=gpu:1"))
    assert site.reason("gpu001") == "none"


@pytest.fixture
def pull(site: Site) -> Iterator[str]:
    """How the head asks gpu001: a key of its own with a forced command."""
    key = "/root/.ssh/pull"
    site.said(f"rm -f {key} {key}.pub; ssh-keygen -q -t ed25519 -N '' -f {key}")
    public = site.said(f"cat {key}.pub").strip()
    node = site.lab.nodes["gpu001"]
    before = node.inside("cat", "/root/.ssh/authorized_keys")
    forced = f'{before}command="/usr/bin/aami-node serve",restrict {public}\n'
    node.write("/root/.ssh/authorized_keys", forced, mode=0o600)
    yield f"ssh -i {key} -o IdentitiesOnly=yes -o IdentityAgent=none -F none"
    node.write("/root/.ssh/authorized_keys", before, mode=0o600)


def test_serve_as_a_forced_command_answers_and_does_nothing_else(site: Site, pull: str) -> None:
    job = site.job("gpu001", "true", "--gres=gpu:2")
    site.wait_job(job)

    def lines(request: str) -> list[dict[str, Any]]:
        *told, end = map(json.loads, site.said(f"{pull} gpu001 {request}").splitlines())
        assert end == {"end": True, "lines": len(told)}
        return told

    [status] = lines("status")
    assert status["node"] == "gpu001"
    assert any(line.get("job_id") == job for line in lines("ledger - 0 1000"))
    events = lines("events - 0 1000")
    assert [line["seq"] for line in events] == list(range(1, len(events) + 1))
    assert lines(f"events {status['boot_id']} {len(events)} 10") == []
    assert len(lines("inventory")[0]["gpus"]) == 8

    for request in (
        "id",
        "",
        "status now",
        "'events - 0 9; touch /tmp/was-here'",
        "sh",
        "'ledger ../../etc 0 9'",
    ):
        done = site.run(f"{pull} gpu001 {request} </dev/null")
        assert (done.returncode, done.stdout) == (2, ""), request
    assert site.run(f"{pull} -tt gpu001 status").returncode != 0, "restrict: no terminal"
    assert site.run(f"{pull} -o ExitOnForwardFailure=yes -N -R 9999:localhost:22 gpu001").returncode == 255
    copied = site.run(f"scp {pull.partition(' ')[2]} gpu001:/etc/passwd /tmp/taken; test ! -e /tmp/taken")
    assert copied.returncode == 0
    assert site.lab.nodes["gpu001"].try_run("test -e /tmp/was-here").returncode == 1
