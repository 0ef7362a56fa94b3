"""Which files are read: the lookup order, drop-ins, and what a named file that is missing leads to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aami_hpc.config import load, places
from aami_hpc.errors import AamiError, ConfigNotFound, PermissionRefused
from tests.config.support import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.config.conftest import AsNobody


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another place for /etc/aami-hpc/config.yaml."""
    path = tmp_path / "etc/aami-hpc/config.yaml"
    monkeypatch.setattr(places, "SYSTEM", path)
    return path


def test_the_order_of_places(tmp_path: Path, system: Path, as_nobody: AsNobody) -> None:
    named = write(tmp_path / "named.yaml", "cluster: {name: named}")
    variable = write(tmp_path / "variable.yaml", "cluster: {name: variable}")
    own = write(tmp_path / "home" / places.USER, "cluster: {name: own}")
    write(system, "cluster: {name: system}")
    environ = {"HOME": str(tmp_path / "home"), "AAMI_CONFIG": str(variable)}
    with as_nobody(tmp_path):
        assert load(named, environ=environ).cluster.name == "named"
        assert load(environ=environ).cluster.name == "variable"
        del environ["AAMI_CONFIG"]
        assert load(environ=environ).files == (own,)
        assert load(environ={**environ, "AAMI_CONFIG": ""}).cluster.name == "own"
        assert load(environ={"HOME": "/nonexistent"}).cluster.name == "system"
        assert load(environ={}).cluster.name == "system"


def test_root_does_not_read_a_file_of_its_home(
    tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / places.USER, "cluster: {name: own}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load(environ={"HOME": str(tmp_path)}).files == ()
    write(system, "cluster: {name: system}")
    assert load(environ={"HOME": str(tmp_path)}).cluster.name == "system"


def test_no_file_means_built_in_defaults(system: Path) -> None:
    settings = load(environ={"HOME": "/nonexistent"})
    assert settings.files == ()
    assert settings.ssh.connections == 64
    assert settings.origin("ssh.connections") == "built-in default"


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_named_file_must_be_there(tmp_path: Path, system: Path, *, by_variable: bool) -> None:
    write(system, "cluster: {name: system}")
    missing = tmp_path / "missing.yaml"
    environ = {"AAMI_CONFIG": str(missing)} if by_variable else {}
    with pytest.raises(ConfigNotFound) as caught:
        load(None if by_variable else missing, environ=environ)
    assert str(missing) in caught.value.message
    assert caught.value.cause == f"It was named by {'$AAMI_CONFIG' if by_variable else '--config'}"


@pytest.mark.parametrize("name", ["\0", "a" * 5000, "/etc/passwd/config.yaml", ""])
def test_a_name_that_can_be_no_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(AamiError):
        load(tmp_path / "x" / name, environ={})


def test_drop_ins_are_laid_over_the_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    main = write(
        tmp_path / "config.yaml",
        "ssh: {user: root, port: 22, identity_files: [/a, /b]}\ncluster: {name: alpha}",
    )
    first = write(tmp_path / "config.d/10-a.yaml", "ssh: {user: one, port: 2201}\n")
    second = write(tmp_path / "config.d/20-b.yaml", "\nssh:\n  user: two\n  identity_files: [/c]\n")
    for ignored in (".hidden.yaml", "30-c.yaml~", "30-c.yml", "README"):
        write(tmp_path / "config.d" / ignored, "ssh: {user: ignored}")
    settings = load(main, environ={})
    assert settings.files == (main, first, second)
    assert (settings.ssh.user, settings.ssh.port, settings.cluster.name) == ("two", 2201, "alpha")
    assert [str(path) for path in settings.ssh.identity_files] == ["/c"]
    assert settings.origin("ssh.user") == f"{second}:3"
    assert settings.origin("ssh.port") == f"{first}:1"
    assert settings.origin("cluster.name") == f"{main}:2"


def test_an_empty_section_in_a_drop_in_takes_nothing_away(tmp_path: Path) -> None:
    main = write(tmp_path / "config.yaml", "ssh: {user: root}\nnodes: {gpu-1: {gpus: 8, labels: {a: b}}}")
    write(tmp_path / "config.d/10.yaml", "ssh:\n  # user: admin\nnodes:\n  gpu-1:\n  gpu-2:\n")
    settings = load(main, environ={})
    assert settings.ssh.user == "root"
    assert [(entry.range, entry.gpus) for entry in settings.nodes.entries] == [("gpu-1", 8), ("gpu-2", None)]


def test_a_fault_in_a_drop_in_is_told_with_its_own_place(tmp_path: Path) -> None:
    main = write(tmp_path / "config.yaml", "ssh: {user: root}")
    overlay = write(tmp_path / "config.d/10.yaml", "\nssh:\n  prt: 22\n")
    with pytest.raises(AamiError, match=f"^{overlay}:3 ssh.prt is not a key of the configuration"):
        load(main, environ={})


def test_drop_ins_count_without_a_main_file(system: Path) -> None:
    overlay = write(system.parent / "config.d/10.yaml", "cluster: {name: beta}")
    settings = load(environ={})
    assert (settings.cluster.name, settings.files) == ("beta", (overlay,))


def test_a_folder_one_may_not_look_into_is_not_an_absent_file(
    tmp_path: Path, system: Path, as_nobody: AsNobody
) -> None:
    write(system, "cluster: {name: system}")
    system.parent.chmod(0o700)
    with as_nobody(tmp_path), pytest.raises(PermissionRefused):
        load(environ={"HOME": "/nonexistent"})
