"""`look` on machines with and without Slurm, with everything that can be missing."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from aami_hpc.actions.look import look
from aami_hpc.config import Settings
from aami_hpc.config.sections.slurm import SlurmSection
from aami_hpc.errors import SlurmAnswer, SlurmError, SlurmNotFound
from aami_hpc.io.run import SystemRunner
from aami_hpc.model.slurm import Partition
from aami_hpc.render.plain import to_text
from tests.actions.survey_support import CONFIG, DOWN, SILENT, Answers, node, nodes
from tests.fleet_survey.support import ANN, Root

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from aami_hpc.slurm.client import SlurmClient

PARTITIONS = (Partition("gpu", "gpu[001-004]", "UP", default=True), Partition("debug", "gpu001", "UP"))
SLURM_CONF = """\
# This file is managed by Ansible
ClusterName=lab # the name
slurmctldhost=head1
Prolog=/etc/slurm/prolog.sh
PrologFlags=Alloc,\\
Contain
NodeName=gpu[001-004] Gres=gpu:8 Prolog=no
Include more.conf
"""


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.bare(tmp_path / "root")


def none() -> SlurmClient:
    raise SlurmNotFound("Slurm's client commands are not on this machine", cause="No scontrol in /usr/bin")


def data(root: Root, client: Answers | None = None, **world: Any) -> dict[str, Any]:
    connect = none if client is None else lambda: client
    result = look(Settings(), world=root.world(**world), connect=connect)
    again: dict[str, Any] = json.loads(json.dumps(result.data))
    return again


def text(root: Root, client: Answers | None = None) -> str:
    connect = none if client is None else lambda: client
    return to_text(look(Settings(), world=root.world(), connect=connect).document)


def test_a_cluster_is_described_with_sources(root: Root) -> None:
    client = Answers(
        given_nodes=(*nodes("gpu", 3, "IDLE"), node("gpu004", "IDLE", "DRAIN")), given_partitions=PARTITIONS
    )
    found = data(root, client)
    assert found["cluster"]["name"] == {"value": "lab", "source": "scontrol show config"}
    assert found["cluster"]["gpus"]["value"] == 32
    slurm = found["slurm"]
    assert slurm["present"]["value"] is True
    assert slurm["version"] == {"value": "22.05.8", "source": "scontrol --version"}
    assert slurm["spool_dir"] == {"value": "/var/spool/slurmd", "source": "scontrol show config"}
    assert slurm["gres_types"]["value"] == "gpu"
    assert slurm["controllers"]["value"] == [{"host": "head1", "role": "primary", "up": True}]
    assert slurm["controllers"]["source"] == "scontrol ping"
    assert [(group["nodes"], group["count"], group["state"]) for group in slurm["nodes"]["value"]] == [
        ("gpu[001-003]", 3, "IDLE"),
        ("gpu004", 1, "IDLE+DRAIN"),
    ]
    assert slurm["partitions"]["value"][0] == {
        "name": "gpu",
        "nodes": "gpu[001-004]",
        "state": "UP",
        "default": True,
    }


def test_every_value_object_has_a_source(root: Root) -> None:
    root.process(812, "prometheus")
    found = data(root, Answers(given_nodes=nodes("gpu", 2, "IDLE"), given_partitions=PARTITIONS))
    assert set(found) == {"cluster", "slurm", "machine", "ports", "software", "hooks", "unknown"}
    for section in ("cluster", "slurm", "machine", "hooks"):
        for key, fact in found[section].items():
            assert fact["source"], key
            assert "value" in fact, key
            assert fact["value"] is not None or "unknown" in fact or section == "hooks", key
    for section in ("ports", "software", "unknown"):
        assert all(row["source"] for row in found[section])


def test_hooks_are_told_set_or_not_and_whether_they_are_here(root: Root) -> None:
    root.write("/usr/sbin/nhc", "#!/bin/sh\n", mode=0o644)
    hooks = data(root, Answers())["hooks"]
    assert hooks["prolog"]["value"] == "/etc/slurm/prolog.sh, /etc/slurm/prolog.d/*"
    assert hooks["prolog"]["note"] == "/etc/slurm/prolog.sh: not on this machine"
    assert hooks["epilog"] == {"value": None, "source": "scontrol show config"}
    assert hooks["health_check_timeout"]["note"] == "this release of Slurm does not have it"
    assert hooks["health_check_program"]["note"] == "can't be executed on this machine"
    assert hooks["health_check_interval"]["value"] == "300 sec"
    assert hooks["prolog_epilog_timeout"]["note"] == "no limit"
    page = text(root, Answers())
    assert "Not set" in page
    assert "Epilog, PrologSlurmctld" in page


def test_a_hook_with_arguments_is_pointed_at(root: Root) -> None:
    client = Answers(given_config=CONFIG | {"HealthCheckProgram": "/usr/sbin/nhc -v"})
    assert "without arguments" in data(root, client)["hooks"]["health_check_program"]["note"]


def test_without_slurm_the_rest_is_still_there(root: Root) -> None:
    found = data(root)
    assert found["slurm"]["present"]["value"] is False
    assert found["cluster"]["name"]["value"] is None
    assert "not on this machine" in found["cluster"]["name"]["unknown"]
    assert found["machine"]["os"]["value"].startswith("Rocky")
    assert len(found["ports"]) == 8
    assert "No Slurm on this machine" in text(root)


def test_a_silent_controller_is_asked_once_and_slurm_conf_speaks_for_it(root: Root) -> None:
    root.write("/etc/slurm/slurm.conf", SLURM_CONF)
    root.write("/etc/slurm/more.conf", "Epilog=/etc/slurm/epilog.sh\nInclude slurm.conf\n")
    client = Answers(given_controllers=SILENT)
    found = data(root, client)
    assert client.asked == ["version", "controllers"]
    assert found["slurm"]["present"]["value"] is True
    assert found["slurm"]["version"]["value"] == "22.05.8"
    assert found["cluster"]["name"] == {"value": "lab", "source": "/etc/slurm/slurm.conf"}
    assert found["hooks"]["prolog"]["source"] == "/etc/slurm/slurm.conf"
    assert found["hooks"]["prolog_flags"]["value"] == "Alloc,Contain"
    assert found["hooks"]["epilog"]["value"] == "/etc/slurm/epilog.sh"
    assert found["software"][-1]["name"] == "Ansible"
    told = {gap["what"]: gap["why"] for gap in found["unknown"]}
    assert told["controllers"] == "Slurm's controller head1:6817 does not answer (No answer within 3 s)"
    assert told["nodes"] == "not asked, for the same reason"


def test_a_controller_that_is_down_is_not_asked_further(root: Root) -> None:
    client = Answers(given_controllers=(DOWN,))
    page = text(root, client)
    assert client.asked == ["version", "controllers"]
    assert "head1 (primary) is down" in page
    assert "No controller of Slurm is up." in page


def test_one_unreadable_answer_costs_only_itself(root: Root) -> None:
    bad = SlurmAnswer("The answer of sinfo can't be read", cause="It is in no form we know")
    client = Answers(given_nodes=bad, given_partitions=PARTITIONS)
    found = data(root, client)
    assert found["slurm"]["nodes"]["value"] is None
    assert found["slurm"]["partitions"]["value"]
    assert {"what": "nodes", "source": "sinfo, scontrol", "why": f"{bad.message} ({bad.cause})"} in found[
        "unknown"
    ]


def test_an_unreadable_slurm_conf_is_said_with_its_reason(root: Root) -> None:
    root.folder("/etc/slurm/slurm.conf")
    found = data(root)
    assert found["slurm"]["conf"]["unknown"] == "not a regular file"
    assert {"what": "slurm.conf", "source": "/etc/slurm/slurm.conf", "why": "not a regular file"} in found[
        "unknown"
    ]
    assert found["slurm"]["present"]["value"] is True


def test_the_environment_names_slurm_conf(root: Root) -> None:
    root.write("/opt/site/slurm.conf", "ClusterName=site\n")
    found = data(root, environ={"SLURM_CONF": "/opt/site/slurm.conf"})
    assert found["slurm"]["conf"] == {"value": "/opt/site/slurm.conf", "source": "$SLURM_CONF"}
    assert found["cluster"]["name"]["value"] == "site"


@pytest.mark.parametrize(
    "garbage",
    ["", "\x00\xff\n=\n", "ClusterName\n" * 5000, "Include slurm.conf\n" * 3000, "A=" + "x " * 99999, "\\"],
)
def test_garbage_in_slurm_conf_is_survived(root: Root, garbage: str) -> None:
    root.write("/etc/slurm/slurm.conf", garbage)
    assert data(root)["cluster"]["name"]["value"] is None


def test_outside_text_reaches_no_terminal_as_it_is(root: Root) -> None:
    root.write("/etc/os-release", 'PRETTY_NAME="\x1b]0;owned\x07Linux"\n')
    root.process(66, "prometheus", "/home/ann/\x1b[2Jprometheus")
    client = Answers(
        given_partitions=(Partition("gpu\u202e", "x", "UP"),),
        given_config=CONFIG | {"Prolog": "/a\x1b[31m"},
    )
    page = text(root, client)
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "owned" in page


@pytest.mark.parametrize(
    "script", ["sleep 60", "trap '' TERM; sleep 60", "head -c 2000000 /dev/zero", "echo '\033[2J'"]
)
def test_a_scontrol_that_hangs_or_babbles_does_not_hold_us(root: Root, tmp_path: Path, script: str) -> None:
    for name in ("scontrol", "sinfo"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    settings = Settings(slurm=SlurmSection.model_validate({"bin_dir": str(tmp_path / "bin"), "timeout": 0.5}))
    began = time.monotonic()
    result = look(settings, world=root.world(runner=SystemRunner()))
    assert time.monotonic() - began < 20
    assert result.data["cluster"]["name"]["value"] is None
    assert any(gap["source"].startswith(("scontrol", "sinfo")) for gap in result.data["unknown"])
    assert result.yes


def test_thousands_of_processes_and_nodes(root: Root) -> None:
    for pid in range(2000, 5000):
        root.process(pid, "python3")
    client = Answers(given_nodes=nodes("n", 999, "IDLE"))
    began = time.monotonic()
    found = data(root, client, uid=ANN)
    assert time.monotonic() - began < 30
    assert found["slurm"]["nodes"]["value"][0]["nodes"] == "n[001-999]"


QUESTIONS = ("given_version", "given_controllers", "given_config", "given_nodes", "given_partitions")


@pytest.mark.parametrize("where", QUESTIONS)
@pytest.mark.parametrize("error", [SILENT, SlurmAnswer("garbage"), SlurmNotFound("gone"), SlurmError("odd")])
def test_whatever_fails_there_is_an_answer(root: Root, where: str, error: SlurmError) -> None:
    client = Answers()
    setattr(client, where, error)
    assert data(root, client)["unknown"]
    assert text(root, client)
