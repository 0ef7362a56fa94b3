"""`make up` and what stands below it: old Pythons, other systems, missing packages, a second run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aami_hpc import bootstrap

CLONE = Path(__file__).resolve().parent.parent
OLD_PYTHONS = sorted(Path("~/.pyenv/versions").expanduser().glob("3.[6-9].*/bin/python3"))


def test_other_systems_are_told_what_works() -> None:
    for system in ("Darwin", "Windows", ""):
        reason = bootstrap.unsupported(system, {(3, 11): "python3"})
        assert "runs on Linux" in reason
        assert "What works" in reason
    assert "No Python 3.10" in bootstrap.unsupported("Linux", {})
    assert bootstrap.unsupported("Linux", {(3, 10): "python3"}) == ""


@pytest.mark.parametrize("python", OLD_PYTHONS, ids=lambda path: path.parent.parent.name)
def test_an_old_python_is_told_what_works(python: Path, tmp_path: Path) -> None:
    """Alone on PATH, an interpreter that is too old starts the script and is refused by it."""
    program = (
        f"import sys; sys.path.insert(0, {str(CLONE / 'aami_hpc')!r})\n"
        "import bootstrap; bootstrap.interpreters = lambda: {}\n"
        "try:\n    bootstrap.main(['up'])\nexcept bootstrap.Stop as stop:\n    print(stop)"
    )
    done = subprocess.run(
        [python, "-S", "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "What works" in done.stdout


def test_interpreters_are_found_by_asking_them(tmp_path: Path) -> None:
    liar = tmp_path / "python3"
    liar.write_text("#!/bin/sh\necho not a version\n")
    liar.chmod(0o755)
    found = bootstrap.interpreters([str(liar), "/nonexistent", sys.executable])
    assert found == {sys.version_info[:2]: sys.executable}


def test_missing_packages_are_named() -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("no dpkg here: the package list can't be asked")
    assert bootstrap.missing_packages(["dpkg", "no-such-package"]) == ["no-such-package"]


def test_without_root_the_command_to_type_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "privileged", lambda: None)
    monkeypatch.setattr(bootstrap, "missing_packages", lambda wanted: wanted)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(bootstrap.Stop, match=r"As root: apt-get install .* strace$"):
        bootstrap.install_packages(["strace"], "The test suite")


def test_every_listed_package_has_a_reason() -> None:
    lines = (CLONE / "tests/packages.txt").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or len(line.split()) > 1 for line in lines)
    assert "slurmctld" in bootstrap.listed_packages()


@pytest.mark.package
def test_make_up_from_a_fresh_clone_and_again(tmp_path: Path) -> None:
    """What the README promises, in an empty folder: it works, touches only its own folder, and is quick again."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", CLONE, clone], check=True)
    for path in _uncommitted():  # the working tree is what is tested, committed or not
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CLONE / path, clone / path)
    home = tmp_path / "home"
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **_pip_settings()}
    first = subprocess.run(
        ["make", "up"], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert first.returncode == 0, first.stdout + first.stderr
    assert "installing aami-hpc into .up/venv" in first.stdout
    for label in ("running now", "look at", "type next"):
        assert label in first.stdout
    again = subprocess.run(
        ["make", "up"], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0
    assert "installing" not in again.stdout
    status = subprocess.run(
        ["git", "status", "--porcelain", "--ignored"], cwd=clone, capture_output=True, text=True, check=True
    )
    ignored = {line[3:] for line in status.stdout.splitlines() if line.startswith("!!")}
    assert {name for name in ignored if "__pycache__" not in name} == {".up/"}


def _uncommitted() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--modified", "--others", "--exclude-standard"],
        cwd=CLONE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [Path(name) for name in listed.stdout.splitlines() if (CLONE / name).is_file()]


def _pip_settings() -> dict[str, str]:
    """Where this machine's pip finds packages; a home of its own would lose that."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "debug"], capture_output=True, text=True, check=False
    )
    files = [line.split(",")[0].strip() for line in asked.stdout.splitlines() if "exists: True" in line]
    found = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return {**found, **({"PIP_CONFIG_FILE": files[0]} if files else {})}
