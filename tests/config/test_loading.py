"""From a file to Settings: sections, entries, groups, origins, and one error for all problems."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from aami_hpc.config import Settings, load
from aami_hpc.config.sections.nodes import NodesSection
from aami_hpc.config.table import SECTIONS
from aami_hpc.errors import ConfigInvalid, ConfigSyntax
from tests.config.support import write

if TYPE_CHECKING:
    from collections.abc import Callable

    Load = Callable[[str], Settings]


@pytest.fixture
def given(tmp_path: Path) -> Load:
    return lambda text: load(
        write(tmp_path / "config.yaml", text), environ={"HOME": "/home/someone", "WHO": "admin"}
    )


def test_every_section_of_the_table_is_in_settings_and_no_other() -> None:
    ours = {field.name for field in dataclasses.fields(Settings)} - {"files", "tree"}
    assert ours == {row.name for row in SECTIONS}
    for row in SECTIONS:
        assert type(getattr(Settings(), row.name)) is row.model
        assert row.model.__module__ == f"aami_hpc.config.sections.{row.name}"
        assert row.owner
        assert row.summary
        assert row.model.model_config["frozen"]
    files = {path.stem for path in (Path(load.__code__.co_filename).parent / "sections").glob("*.py")}
    assert files == {"__init__"} | ours


def test_the_defaults() -> None:
    ssh = Settings().ssh
    assert (ssh.user, ssh.port, ssh.gssapi, ssh.host_based, ssh.sudo) == ("", None, True, False, False)
    assert (ssh.connect_timeout, ssh.command_timeout, ssh.keepalive) == (10, 60, 15)
    assert (ssh.connections, ssh.uploads, ssh.disruption) == (64, 16, 1)
    assert Settings().slurm.timeout == 3
    assert Settings().access.max_nodes_per_action == 4
    home = Path("~/.local/state/aami-hpc").expanduser()
    assert Settings().storage.state_dir == (Path("/var/lib/aami-hpc") if os.geteuid() == 0 else home)


def test_values_arrive_as_the_product_uses_them(given: Load) -> None:
    settings = given(
        "cluster: {name: alpha}\nslurm: {conf: /etc/slurm.conf, timeout: 500ms}\n"
        "ssh: {user: '${WHO}', identity_files: [~/.ssh/a, /b], sudo: true, keepalive: 2m}\n"
    )
    assert (settings.cluster.name, settings.slurm.timeout) == ("alpha", 0.5)
    assert settings.slurm.conf == Path("/etc/slurm.conf")
    assert settings.ssh.identity_files == (Path("/home/someone/.ssh/a"), Path("/b"))
    assert (settings.ssh.user, settings.ssh.sudo, settings.ssh.keepalive) == ("admin", True, 120)


def test_settings_and_sections_are_frozen(given: Load) -> None:
    settings = given("nodes: {gpu-1: {gpus: 8}}")
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.cluster = Settings().cluster  # type: ignore[misc] # that it can't be is shown here
    with pytest.raises(ValidationError):
        settings.ssh.user = "admin"  # type: ignore[misc] # the same
    with pytest.raises(ValidationError):
        settings.nodes.root["gpu-1"].gpus = 4  # type: ignore[misc] # the same


def test_node_entries_keep_their_order_and_their_place(given: Load) -> None:
    settings = given(
        'nodes:\n  gpu-[001-003,140]: {address: "{name}.x", gpus: 8, model: h100}\n  cpu-1:\n'
        "  gpu-002: {gpus: 0, labels: {hall: north}, partitions: [a, b], ssh_user: x, ssh_port: 2222}\n"
    )
    first, second, third = settings.nodes.entries
    assert tuple(first.names()) == ("gpu-001", "gpu-002", "gpu-003", "gpu-140")
    assert (first.address, first.gpus, first.model, first.labels) == ("{name}.x", 8, "h100", {})
    assert (second.range, second.gpus, second.partitions) == ("cpu-1", None, ())
    assert (third.gpus, third.labels, third.partitions) == (0, {"hall": "north"}, ("a", "b"))
    assert (third.ssh_user, third.ssh_port) == ("x", 2222)
    assert [entry.origin.rpartition(":")[2] for entry in settings.nodes.entries] == ["2", "3", "4"]


def test_groups_by_source(given: Load) -> None:
    settings = given("groups:\n  rack: {r12: 'gpu-[001-016]'}\n  row: {}\n  hall:\n")
    assert settings.groups.sources == {"rack": {"r12": "gpu-[001-016]"}, "row": {}, "hall": {}}


def test_a_group_may_reach_beyond_the_nodes_listed_but_not_lie_outside(given: Load) -> None:
    assert given("nodes: {'gpu-[1-8]': }\ngroups: {rack: {r1: 'gpu-[7-12],gpu-1'}}").groups.sources
    assert given("groups: {rack: {r1: anything}}").groups.sources


def test_the_nodes_together_are_limited(given: Load) -> None:
    many = "".join(f"  r{rack}n[1-90000]:\n" for rack in range(4))
    with pytest.raises(ConfigInvalid, match="nodes stands for more than 300000 nodes"):
        given(f"nodes:\n{many}groups: {{rack: {{r1: r1n1}}}}")


def test_origins(given: Load) -> None:
    settings = given("ssh:\n  user: root\nnodes:\n  gpu-1.site:\n    gpus: 8\n    labels: {a: b}\n")
    assert settings.origin("ssh.user").endswith("config.yaml:2")
    assert settings.origin("ssh").endswith("config.yaml:1")
    assert settings.origin('nodes."gpu-1.site".gpus').endswith("config.yaml:5")
    for key in ("ssh.port", "cluster", "nodes.gpu-1.site.gpus", "ssh.user.x", "", "..", '"'):
        assert settings.origin(key) == "built-in default"


def test_one_error_names_the_first_problem_and_counts_the_rest(given: Load) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        given("ssh:\n  usr: root\n  port: x\nslurm:\n  timeout: y\n")
    assert "config.yaml:2 ssh.usr is not a key" in caught.value.message
    assert caught.value.hint == "Did you mean ssh.user? And 2 more: aami-hpc config check lists them"


def test_a_file_that_is_no_yaml_does_not_hide_its_neighbour(tmp_path: Path) -> None:
    main = write(tmp_path / "config.yaml", "ssh: [")
    write(tmp_path / "config.d/a.yaml", "ssh: {usr: x}")
    with pytest.raises(ConfigSyntax, match=r"config.yaml:1 has a bracket.* And 1 more"):
        load(main, environ={})


def test_a_section_can_be_made_in_code() -> None:
    section = NodesSection.model_validate({"gpu-[1-2]": {"gpus": 8}})
    assert [(entry.range, entry.gpus, entry.origin) for entry in section.entries] == [("gpu-[1-2]", 8, "")]
    assert NodesSection().entries == ()
