"""Slurm's own parser as the judge, on every release: what it takes, what it refuses, and that it asks nobody."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from aami_hpc.fleet.survey.tree import Tree
from aami_hpc.hooks.doctor.facts import Facts
from aami_hpc.hooks.doctor.parser import Parser
from aami_hpc.hooks.doctor.proof import Conf, examine, prove, read_conf
from aami_hpc.io.run import SystemRunner
from aami_hpc.slurm.programs import Programs
from tests.hooks.doctor.lab import Site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.slurm import SlurmCluster

NEW = {
    "22.05": frozenset[str](),
    "24.11": frozenset[str](),
    "26.05": frozenset({"PrologTimeout", "EpilogTimeout", "HealthCheckTimeout"}),
}


@pytest.fixture
def site(slurm_release: SlurmCluster, tmp_path: Path) -> Site:
    return Site(slurm_release, tmp_path)


@pytest.mark.lab
def test_it_reads_what_it_is_given_and_refuses_arguments(site: Site) -> None:
    parser = site.parser()
    assert parser.honest()
    good = site.conf.read_text()
    assert parser.read(good).taken
    for line in ("Prolog=/x --arg", "Prologg=/x", "PrologFlags=Bogus", "HealthCheckProgram=/x y"):
        verdict = parser.read(f"{good}{line}\n")
        assert not verdict.taken, line
        assert verdict.said, line
    assert list(site.temporary.glob("aami-hpc-*")) == [], "the copies are gone"


@pytest.mark.lab
def test_it_knows_the_keys_of_its_release(site: Site) -> None:
    wanted = NEW[site.cluster.installation.judged.capabilities.release]
    parser = site.parser()
    asked = ("PrologTimeout", "EpilogTimeout", "HealthCheckTimeout", "PrologEpilogTimeout", "NoSuchKey")
    assert {key for key in asked if parser.knows(key)} == wanted | {"PrologEpilogTimeout"}


@pytest.mark.lab
def test_lines_are_tried_in_a_copy_and_nothing_else_changes(site: Site) -> None:
    before = site.conf.read_bytes()
    facts = Facts({"SLURM_VERSION": site.cluster.version, "HASH_VAL": "Match"})
    parser, conf = site.parser(), read_conf(Tree(), str(site.conf))
    assert conf.text == before.decode()
    good = prove(facts, conf, parser, ["Prolog", "PrologFlags"], ["Prolog=/x", "PrologFlags=Alloc,Serial"])
    assert (good.proven, good.why, good.said) == (True, "", ())
    bad = prove(facts, conf, parser, ["Prolog"], ["Prolog=/x --arg"])
    assert not bad.proven
    assert bad.refused
    assert "Parse error" in bad.said[0]
    ignored = prove(facts, conf, parser, ["HealthCheckNodeState"], ["HealthCheckNodeState=NOPE"])
    assert ignored.refused, "Slurm goes on and complains: that is a refusal, too"
    assert site.conf.read_bytes() == before


@pytest.mark.lab
def test_a_file_in_parts_is_tried_as_a_whole(site: Site) -> None:
    part = site.etc / "hooks.conf"
    part.write_text("MessageTimeout=20\nPrologEpilogTimeout=3\n")
    text = site.conf.read_text()
    site.conf.write_text(f"{text}Include hooks.conf\n")
    try:
        conf = read_conf(Tree(), str(site.conf))
        facts = Facts({"SLURM_VERSION": site.cluster.version})
        found = prove(facts, conf, site.parser(), ["PrologEpilogTimeout"], ["PrologEpilogTimeout=60"])
    finally:
        site.conf.write_text(text)
        part.unlink()
    assert found.proven, found


@pytest.mark.lab
def test_a_file_that_would_kill_every_daemon_is_a_problem_now(site: Site) -> None:
    text = site.conf.read_text()
    site.conf.write_text(f"{text}Epilog=/x --arg\n")
    try:
        conf = read_conf(Tree(), str(site.conf))
        found = examine(Facts({"HASH_VAL": "Different Ours=0x1 Slurmctld=0x2"}), conf, site.parser())
    finally:
        site.conf.write_text(text)
    assert [(one.name, one.level) for one in found] == [("parse", "note"), ("parse", "problem")]
    assert "--arg" in found[1].what


@pytest.mark.lab
def test_the_question_reaches_nobody(site: Site, tmp_path: Path) -> None:
    """No daemon, no network: a copy with the controller's address in it must not become a call."""
    argv = [str(site.bin / "scontrol"), "show", "hostnames", "aami"]
    trace = tmp_path / "trace"
    environ = {"SLURM_CONF": str(site.conf), "PATH": "/usr/bin:/usr/sbin"}
    calls = ["strace", "-f", "-e", "trace=connect,sendto,bind", "-o", str(trace), *argv]
    subprocess.run(calls, check=True, capture_output=True, env=environ, timeout=60)
    # A name service on this machine, at most: Slurm looks up the uid of SlurmUser.
    made = [line for line in trace.read_text().splitlines() if re.search(r"(connect|sendto|bind)\(", line)]
    assert [line for line in made if "nscd" not in line and "systemd" not in line] == []


def test_a_parser_that_does_not_read_the_copy_proves_nothing(tmp_path: Path) -> None:
    scontrol = tmp_path / "scontrol"
    scontrol.write_text("#!/bin/sh\nexit 0\n")
    scontrol.chmod(0o755)
    parser = Parser(Programs({"scontrol": str(scontrol)}, {}), SystemRunner(), str(tmp_path))
    assert not parser.honest()
    assert not parser.knows("PrologTimeout")
    found = prove(Facts({}), Conf("/etc/slurm/slurm.conf", "A=1\n"), parser, [], [])
    assert not found.proven
    assert "does not read the file" in found.why


def test_why_nothing_is_proven_is_said(tmp_path: Path) -> None:
    parser = Parser(Programs({"scontrol": str(tmp_path / "gone")}, {}), SystemRunner(), str(tmp_path))
    assert (
        "slurm.conf can't be read here: not there"
        in prove(Facts({}), Conf("/x", why="not there"), parser, [], []).why
    )
    assert "can't be run" in prove(Facts({}), Conf("/x", "A=1\n"), parser, [], []).why
    assert read_conf(Tree(), "").why.startswith("slurm.conf is at none of the usual places")
    assert examine(Facts({}), Conf("/x", why="this user may not read it"), parser)[0].level == "unknown"
