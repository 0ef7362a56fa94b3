"""`init`: what it writes loads, says where it came from, and never replaces a file unasked."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from aami_hpc.actions import config
from aami_hpc.actions.init import destination, init
from aami_hpc.config import load
from aami_hpc.errors import ConfigExists, ConfigInvalid, PermissionRefused, SlurmNotFound, StorageFault
from aami_hpc.io.files import previous
from aami_hpc.render.plain import to_text
from tests.actions.survey_support import CONFIG, SILENT, Answers, nodes
from tests.fleet_survey.support import Root

if TYPE_CHECKING:
    from aami_hpc.actions.result import Result
    from aami_hpc.slurm.client import SlurmClient


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.bare(tmp_path / "root")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "aami-hpc" / "config.yaml"


def none() -> SlurmClient:
    raise SlurmNotFound("Slurm's client commands are not on this machine")


def run(
    root: Root,
    target: Path,
    client: Answers | None = None,
    environ: dict[str, str] | None = None,
    **more: Any,
) -> Result:
    world = root.world(environ={"PATH": "/usr/bin", **(environ or {})})
    return init(target, world=world, connect=lambda: client or none(), **more)


def test_what_init_writes_passes_config_check_and_names_its_sources(root: Root, target: Path) -> None:
    result = run(root, target, Answers(given_nodes=nodes("gpu", 4, "IDLE")))
    assert config.check(target).yes
    settings = load(target, environ={})
    assert settings.cluster.name == "lab"
    assert settings.nodes.entries == ()  # Slurm is asked each time
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    text = target.read_text()
    assert "name: lab  # scontrol show config\n" in text
    assert result.data == {
        "path": str(target),
        "previous": None,
        "slurm": True,
        "choices": [
            {"key": "cluster.name", "value": "lab", "source": "scontrol show config"},
            {
                "key": "storage.state_dir",
                "value": str(settings.storage.state_dir),
                "source": "the default for this user",
            },
        ],
    }
    page = to_text(result.document)
    assert f"Wrote {target}" in page
    assert "cluster.name" in page
    assert "scontrol show config" in page


def test_a_slurm_conf_of_the_environment_is_written_down(root: Root, target: Path) -> None:
    root.write("/opt/site/slurm.conf", "ClusterName=lab\n")
    run(root, target, Answers(), {"SLURM_CONF": "/opt/site/slurm.conf"})
    assert load(target, environ={}).slurm.conf == Path("/opt/site/slurm.conf")


def test_commands_outside_the_path_are_written_down(root: Root, target: Path) -> None:
    root.write("/opt/slurm/bin/scontrol", "#!/bin/sh\n", mode=0o755)
    run(root, target, Answers())
    assert load(target, environ={}).slurm.bin_dir == Path("/opt/slurm/bin")


def test_without_slurm_this_machine_alone_is_configured(root: Root, target: Path) -> None:
    for number in range(8):
        root.gpu(number)
    result = run(root, target)
    assert config.check(target).yes
    (entry,) = load(target, environ={}).nodes.entries
    assert (entry.range, entry.address, entry.gpus) == ("head1", "127.0.0.1", 8)
    assert result.data["slurm"] is False
    assert "No Slurm here" in to_text(result.document)


@pytest.mark.parametrize("name", ["", "all", "bad name\n", "\x1b[2J", "-rf", "naïve"])
def test_a_host_name_that_is_none_is_not_written(root: Root, target: Path, name: str) -> None:
    root.write("/proc/sys/kernel/hostname", name)
    run(root, target)
    assert load(target, environ={}).nodes.entries[0].range == "localhost"


@pytest.mark.parametrize("name", ["1e3", "10", "on", "null", "0x10", "1.5"])
def test_names_that_look_like_numbers_or_words_stay_names(root: Root, target: Path, name: str) -> None:
    root.write("/proc/sys/kernel/hostname", name)
    run(root, target)
    short = name.partition(".")[0]
    assert load(target, environ={}).cluster.name == short
    assert load(target, environ={}).nodes.entries[0].range == short
    assert yaml.safe_load(target.read_text())["cluster"]["name"] == short


@pytest.mark.parametrize("name", ["a: b", "x # y", "${HOME}", "!file /etc/shadow", "a\nb: c", "*"])
def test_a_hostile_cluster_name_is_left_out(root: Root, target: Path, name: str) -> None:
    run(root, target, Answers(given_config=CONFIG | {"ClusterName": name}))
    assert load(target, environ={}).cluster.name == ""


@pytest.mark.parametrize("folder", ["/opt/${HOME}", "/opt/a b", "/opt/é # x", "/opt/'\"", "/opt/a: b"])
def test_an_odd_path_comes_back_as_it_was(root: Root, target: Path, folder: str) -> None:
    root.write(f"{folder}/slurm.conf", "ClusterName=lab\n")
    run(root, target, Answers(), {"SLURM_CONF": f"{folder}/slurm.conf"})
    assert load(target, environ={}).slurm.conf == Path(f"{folder}/slurm.conf")


def test_a_silent_slurm_is_configured_from_its_file_and_said(root: Root, target: Path) -> None:
    root.write("/etc/slurm/slurm.conf", "ClusterName=lab\n")
    result = run(root, target, Answers(given_controllers=SILENT))
    assert load(target, environ={}).cluster.name == "lab"
    assert SILENT.message in to_text(result.document)


def test_nothing_is_overwritten_unasked_and_the_old_file_is_kept(root: Root, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_text("cluster: {name: mine}\n")
    client = Answers()
    with pytest.raises(ConfigExists) as refused:
        run(root, target, client)
    assert "--force" in refused.value.hint
    assert client.asked == []
    assert target.read_text() == "cluster: {name: mine}\n"
    result = run(root, target, client, force=True)
    assert previous(target).read_text() == "cluster: {name: mine}\n"
    assert result.data["previous"] == str(previous(target))
    assert str(previous(target)) in to_text(result.document)
    assert load(target, environ={}).cluster.name == "lab"


def test_a_broken_configuration_does_not_stand_in_the_way(root: Root, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_text("cluster: [\n")
    run(root, target, Answers(), force=True)
    assert config.check(target).yes


def test_a_link_that_leads_nowhere_is_a_file_too(root: Root, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.symlink_to(target.parent / "gone")
    with pytest.raises(ConfigExists):
        run(root, target, Answers())


def test_answers_are_taken_checked_and_marked(root: Root, target: Path) -> None:
    asked = []

    def choose(key: str, value: str, source: str) -> str:
        asked.append((key, value, source))
        return "other" if key == "cluster.name" else value

    run(root, target, Answers(), choose=choose)
    assert asked[0] == ("cluster.name", "lab", "scontrol show config")
    assert "name: other  # your answer\n" in target.read_text()


def test_an_impossible_answer_writes_nothing(root: Root, target: Path) -> None:
    with pytest.raises(ConfigInvalid):
        run(root, target, Answers(), choose=lambda key, value, _: "relative" if "dir" in key else value)
    assert not target.exists()


def test_a_folder_that_can_not_be_made_is_said(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((StorageFault, PermissionRefused)):
        run(root, tmp_path / "file" / "config.yaml", Answers())


def test_where_it_goes_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert destination(None, {"HOME": "/root"}) == Path("/etc/aami-hpc/config.yaml")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert destination(None, {"HOME": "/home/ann"}) == Path("/home/ann/.config/aami-hpc/config.yaml")
    assert destination(None, {"HOME": "/home/ann", "AAMI_CONFIG": "/x.yaml"}) == Path("/x.yaml")
    assert destination(Path("/y.yaml"), {"AAMI_CONFIG": "/x.yaml"}) == Path("/y.yaml")
