"""`hooks doctor` on real Slurm of every release: real pitfalls, real nodes over SSH, and lines that then work."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from aami_hpc.hooks.doctor import ours
from aami_hpc.render.plain import to_text
from tests.hooks.doctor.lab import Site
from tests.lab.releases import Release
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aami_hpc.actions.result import Result
    from tests.lab.fixtures import MakeSlurm
    from tests.lab.slurm import SlurmCluster

pytestmark = pytest.mark.lab

# Pitfalls as keys of slurm.conf, and what each is called. `@` is the folder of slurm.conf.
FIRST: Mapping[str, tuple[str, set[tuple[str, str]]]] = {
    "PrologFlags": ("", {("prolog-flags", "problem")}),
    "MessageTimeout": ("5", {("message-timeout", "problem")}),
    "BatchStartTimeout": ("5", {("batch-start-timeout", "note")}),
    "PrologEpilogTimeout": ("4", {("hook-timeout", "problem")}),
    "Epilog": ("/usr/libexec/aami-hpc/epilog", {("bare-hook", "problem"), ("launcher", "problem")}),
    "HealthCheckProgram": ("/usr/sbin/nhc", {("health-program", "note"), ("health-interval", "problem")}),
    "HealthCheckNodeState": ("IDLE,CYCLE", {("health-node-state", "note")}),
    "PrivateData": ("jobs", {("private-data", "note")}),
    "SchedulerParameters": ("nohold_on_prolog_fail", {("held-jobs", "note")}),
    "SlurmctldParameters": ("enable_configless", {("configless", "note")}),
}
SECOND: Mapping[str, tuple[str, set[tuple[str, str]]]] = {
    "PrologFlags": ("Alloc,Serial", {("serial", "note"), ("prolog-flags", "ok")}),
    "Prolog": ("@/prolog.d/*", {("script-order", "note")}),
    "Epilog": ('"@/epilog --arg"', {("arguments", "problem")}),
    "MessageTimeout": ("90", {("message-timeout", "note")}),
    "UnkillableStepTimeout": ("1000", {("unkillable-step-timeout", "note")}),
    "HealthCheckProgram": ("/usr/libexec/aami-hpc/health", {("health-program", "ok")}),
    "HealthCheckInterval": ("10", {("health-interval", "note")}),
}
EVERYWHERE = {("return-to-service", "note"), ("proctrack", "note"), ("parse", "ok"), ("versions", "ok")}


def told(result: Result) -> set[tuple[str, str]]:
    return {(one["name"], one["level"]) for one in result.data["findings"]}


def what(result: Result, name: str) -> str:
    return " ".join(one["what"] for one in result.data["findings"] if one["name"] == name)


@pytest.mark.parametrize("pitfalls", [FIRST, SECOND], ids=["first", "second"])
def test_pitfalls_of_a_real_site_are_seen(
    slurm_release: SlurmCluster, tmp_path: Path, pitfalls: Mapping[str, tuple[str, set[tuple[str, str]]]]
) -> None:
    site = Site(slurm_release, tmp_path)
    values = {key: value.replace("@", str(site.etc)) for key, (value, _) in pitfalls.items()}
    slurm_release.reconfigure(**values)
    result = site.doctor(uid=65534)
    wanted = set.union(EVERYWHERE, *(names for _, names in pitfalls.values()))
    assert wanted - told(result) == set(), to_text(result.document)
    assert not result.yes


def test_run_in_job_is_seen_where_slurm_has_it(slurm_release: SlurmCluster, tmp_path: Path) -> None:
    site = Site(slurm_release, tmp_path)
    if slurm_release.installation.judged.capabilities.release == "22.05":
        said = site.parser().read(f"{site.conf.read_text()}PrologFlags=RunInJob\n").said
        assert any("RunInJob" in line for line in said), "it came with 24.05"
        return
    slurm_release.reconfigure(PrologFlags="RunInJob")
    assert ("run-in-job", "problem") in told(site.doctor(uid=65534))


def test_an_ordinary_user_without_a_configuration_connects_to_nobody(
    slurm_release: SlurmCluster, tmp_path: Path
) -> None:
    result = Site(slurm_release, tmp_path).doctor(uid=65534)
    (unasked,) = result.data["nodes"]["unasked"]
    assert unasked["nodes"] == "gpu-[001-003]"
    assert "connects to no node" in unasked["why"]
    proposal = result.data["proposal"]
    assert (proposal["safe"], proposal["lines"]) == (False, [])
    assert all(change["then"] == [] for change in proposal["changes"])
    assert result.data["proof"]["proven"], "the file is there for everybody, so that much can be told"


def test_lines_come_when_every_node_has_the_launcher_and_then_they_work(
    make_slurm: MakeSlurm, tmp_path: Path, release: Release
) -> None:
    """From a site with a prolog of its own to hooks that run, as the doctor says."""
    cluster = make_slurm(release=release, nodes=2, extra={"PrologFlags": ""})
    site = Site(cluster, tmp_path)
    own = site.script(cluster.layout.hooks / "site-prolog", f"echo site >>{site.log}")
    cluster.reconfigure(PrologFlags="", Prolog=str(own))
    with site.ssh() as sshd:
        early = site.doctor(sshd).data["proposal"]
        assert early["lines"] == []
        assert f"{site.etc}/aami-prolog is not there on gpu-[001-002]" in early["unseen"]
        site.push()
        site.launchers()
        careless = site.doctor(sshd).data["proposal"]
        assert careless["lines"] == [], "they would silently take the site's own prolog away"
        assert f"does not run {own} on gpu-[001-002]" in careless["unseen"][0]
        site.launchers(prolog=str(own))
        ready = site.doctor(sshd)
    lines = ready.data["proposal"]["lines"]
    assert ready.data["nodes"] == {"asked": "gpu-[001-002]", "unasked": []}
    assert ready.data["proof"] == {
        "proven": True,
        "refused": False,
        "why": "",
        "said": [],
        "file": str(site.conf),
    }
    assert lines[0] == "PrologFlags=Alloc"
    assert f"Prolog={site.etc}/aami-prolog" in lines
    assert f"Epilog={site.etc}/aami-epilog" in lines
    assert ("PrologTimeout=300" in lines) is (release is Release.SID)
    assert ("PrologEpilogTimeout=300" in lines) is (release is not Release.SID)
    assert all(line in to_text(ready.document) for line in lines)

    cluster.reconfigure(**dict(line.split("=", 1) for line in lines))
    cluster.wait_job(cluster.sbatch("true", "--gres=gpu:1"))
    wanted = {"site", "our prolog", "our epilog"} if site.runs_ours else {"site"}
    until(
        lambda: wanted <= set(site.told()), "the hooks to run", timeout=20, evidence=lambda: str(site.told())
    )
    cluster.wait_nodes()
    with site.ssh() as sshd:
        after = site.doctor(sshd)
    assert after.yes, to_text(after.document)
    assert after.data["proposal"]["changes"] == []


@pytest.fixture(params=list(Release), ids=lambda release: release.value)
def release(request: pytest.FixtureRequest) -> Release:
    found: Release = request.param
    return found


def test_one_file_that_can_not_be_executed_is_seen_on_the_nodes(
    slurm_release: SlurmCluster, tmp_path: Path
) -> None:
    site = Site(slurm_release, tmp_path)
    for name, mode in (("90-good", 0o755), ("50-junk~", 0o644)):
        site.script(site.etc / "prolog.d" / name, "true", mode)
    slurm_release.reconfigure(Prolog=f"{site.etc}/prolog.d/*", Epilog=f"{site.etc}/gone")
    assert "50-junk~ is not executable on this machine" in what(site.doctor(uid=65534), "not-executable")
    with site.ssh() as sshd:
        result = site.doctor(sshd)
    assert what(result, "not-executable") == (
        f"Prolog: {site.etc}/prolog.d/50-junk~ is not executable on gpu-[001-003]"
    )
    assert what(result, "missing-program") == f"Epilog: {site.etc}/gone is not there on gpu-[001-003]"
    for name in ("90-good", "50-junk~"):
        (site.etc / "prolog.d" / name).unlink()
    (site.etc / "prolog.d").rmdir()


def test_a_range_leaves_the_other_nodes_unseen_and_nothing_safe(
    slurm_2205: SlurmCluster, tmp_path: Path
) -> None:
    site = Site(slurm_2205, tmp_path)
    site.push()
    site.launchers()
    with site.ssh() as sshd:
        result = site.doctor(sshd, expression="gpu-002")
    assert result.data["nodes"] == {
        "asked": "gpu-002",
        "unasked": [{"nodes": "gpu-[001,003]", "why": "not in RANGE"}],
    }
    assert result.data["proposal"]["unseen"] == ["could not ask gpu-[001,003]"]
    for name in ours.LAUNCHER.values():
        (site.etc / name).unlink()


def test_a_file_that_nobody_can_read_is_the_finding(slurm_release: SlurmCluster, tmp_path: Path) -> None:
    """Somebody has written arguments and not reconfigured yet: every command fails, and the next restart kills."""
    site = Site(slurm_release, tmp_path)
    text = site.conf.read_text()
    site.conf.write_text(f"{text}Prolog={site.etc}/prolog.sh --config y\n")
    try:
        refused = subprocess.run(
            [site.bin / "scontrol", "ping"], capture_output=True, env=site.cluster.env, check=False
        )
        result = site.doctor()
    finally:
        site.conf.write_text(text)
    assert refused.returncode != 0
    assert told(result) == {("parse", "problem")}
    assert "--config" in what(result, "parse")
    assert result.data["proposal"] is None
    assert not result.yes
    assert slurm_release.is_answering(), "it was only looked at"


def test_the_whole_answer_can_be_printed(slurm_2205: SlurmCluster, tmp_path: Path) -> None:
    result = Site(slurm_2205, tmp_path).doctor(uid=65534)
    page = to_text(result.document)
    data: dict[str, Any] = result.data
    assert set(data) == {"slurm", "findings", "nodes", "proposal", "proof"}
    for one in data["findings"]:
        assert set(one) == {"name", "level", "what", "why", "do", "reference"}
        assert one["reference"] == f"docs/hooks.md#{one['name']}"
        assert one["level"] == "ok" or one["reference"] in page
    assert "No line yet" in page


def test_a_folder_of_programs_takes_the_launcher_in_the_way_its_release_can(
    make_slurm: MakeSlurm, tmp_path: Path, release: Release
) -> None:
    cluster = make_slurm(release=release, nodes=1)
    site = Site(cluster, tmp_path)
    site.script(site.etc / "prolog.d" / "50-site", f"echo site >>{site.log}")
    cluster.reconfigure(Prolog=f"{site.etc}/prolog.d/*")
    site.push()
    site.launchers()
    text = (site.etc / "aami-prolog").read_text().replace("\nexit 0", f"\necho launcher >>{site.log}\nexit 0")
    with site.ssh() as sshd:
        result = site.doctor(sshd)
    lines = [line for line in result.data["proposal"]["lines"] if line.startswith("Prolog=")]
    steps = [step["do"] for step in result.data["proposal"]["steps"]]
    if release is Release.BOOKWORM:  # it takes one line: the folder is the way
        assert lines == []
        assert any(f"mv {site.etc}/prolog.d.new {site.etc}/prolog.d/00-aami-prolog" in step for step in steps)
        site.script(site.etc / "prolog.d" / "00-aami-prolog", text)
    else:
        assert lines == [f"Prolog={site.etc}/prolog.d/*", f"Prolog={site.etc}/aami-prolog"]
        site.script(site.etc / "aami-prolog", text)
        conf = site.conf.read_text()
        site.conf.write_text(f"{conf}Prolog={site.etc}/aami-prolog\n")
        cluster.scontrol("reconfigure")
    cluster.wait_job(cluster.sbatch("true"))
    ran = [line for line in site.told() if line in {"site", "launcher"}]
    assert ran == ["site", "launcher"], "what the site sets up is there when ours looks"
    with site.ssh() as sshd:
        assert ("launcher", "ok") not in told(site.doctor(sshd)), "the epilog is still missing"


def test_a_pattern_that_fits_nothing_drains_as_a_missing_program_does(slurm_release: SlurmCluster) -> None:
    slurm_release.reconfigure(Prolog=f"{slurm_release.layout.etc}/none.d/*")
    slurm_release.sbatch("true", "--nodelist=gpu-001")
    slurm_release.wait_nodes("DRAINED", nodes=["gpu-001"])
    assert "Prolog error" in slurm_release.scontrol("show", "node", "gpu-001")


@pytest.mark.parametrize("release", [Release.TRIXIE, Release.SID], ids=lambda release: release.value)
def test_configless_nodes_get_the_launcher_and_drain_without_it(
    make_slurm: MakeSlurm, tmp_path: Path, release: Release
) -> None:
    cluster = make_slurm(release=release, nodes=1, extra={"SlurmctldParameters": "enable_configless"})
    site = Site(cluster, tmp_path)
    cluster.stop_nodes()
    root = cluster.installation.root
    assert root is not None
    (root / "run/munge").mkdir(parents=True, exist_ok=True)
    (root / "run/munge/munge.socket.2").symlink_to(cluster.layout.munge)
    server = f"127.0.0.1:{cluster.ports.controller}"
    argv = cluster.installation.argv("slurmd", "-D", "-N", "gpu-001", "--conf-server", server)
    cluster.ledger.start(argv, log="configless.out", env={"PATH": "/usr/sbin:/usr/bin"})
    cluster.wait_nodes()
    site.push()
    site.launchers()
    with site.ssh() as sshd:
        result = site.doctor(sshd)
    proposal = result.data["proposal"]
    assert "Prolog=aami-prolog" in proposal["lines"], proposal
    cluster.reconfigure(Prolog="aami-prolog", Epilog="aami-epilog", PrologEpilogTimeout="60")
    cluster.wait_job(cluster.sbatch("true"))
    ran = {"our prolog", "our epilog"}
    until(lambda: ran <= set(site.told()), "the hooks to run", timeout=20, evidence=lambda: str(site.told()))

    (site.etc / "aami-prolog").unlink()
    with site.ssh() as sshd:
        result = site.doctor(sshd)
    assert ("configless", "problem") in told(result)
    assert "aami-prolog is not there" in what(result, "configless")
    cluster.scontrol("reconfigure")
    sent = cluster.layout.spool / "gpu-001/conf-cache/aami-prolog"
    until(
        lambda: not sent.exists(),
        "the launcher to be gone",
        timeout=20,
        evidence=lambda: cluster.logs("gpu-001"),
    )
    cluster.sbatch("true")
    cluster.wait_nodes("DRAINED")
