"""The wheel, the sdist and both kinds of installation carry the data folders and nothing generic."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parent.parent
OURS = {"aami_hpc", "aami_bot", "aami_slurm", "aami_xid"}
DATA = {"presets/software.yaml", "etc/config.yaml"}
SHOW = """
import aami_hpc, aami_bot, aami_slurm, aami_xid
from aami_hpc.resources import share
for name in %r:
    assert (share() / name).is_file(), name
print(share())
"""

pytestmark = pytest.mark.package


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel made from it: so the sdist is known to be complete."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", out, CLONE], check=True, capture_output=True)
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def test_the_wheel_holds_packages_and_data_and_nothing_generic(built: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(built[1]).namelist()
    data = {name for name in names if ".data/" in name}
    assert {name.partition("/")[2] for name in data} == {"data/share/man/man1/aami-hpc.1"}
    top = {name.split("/")[0] for name in set(names) - data if ".dist-info/" not in name}
    assert top == OURS
    assert {f"aami_hpc/_share/{name}" for name in DATA} <= set(names)
    assert {f"{package}/py.typed" for package in OURS} <= set(names)
    assert "aami_hpc/bootstrap.py" not in names


def test_the_sdist_can_test_itself(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert DATA | {"Makefile", "tests/packages.txt", "README.md", "LICENSE"} <= names


@pytest.mark.parametrize("how", ["wheel", "folder", "editable"])
def test_an_installation_runs_and_finds_its_data(how: str, built: tuple[Path, Path], tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    targets = {"wheel": [str(built[1])], "folder": [str(CLONE)], "editable": ["-e", str(CLONE)]}
    install = [str(python), "-m", "pip", "install", "-q", *targets[how]]
    subprocess.run(install, check=True, capture_output=True)
    shown = subprocess.run(
        [python, "-W", "error", "-c", SHOW % sorted(DATA)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.strip() == str(CLONE) if how == "editable" else "_share" in shown.stdout
    for command in ([tmp_path / "venv/bin/aami-hpc"], [python, "-m", "aami_hpc"]):
        version = subprocess.run(
            [*command, "--version"], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        assert version.stdout.startswith("aami-hpc ")
    site = next((tmp_path / "venv/lib").glob("python3*")) / "site-packages"
    assert not {"bot", "slurm", "xid", "presets", "etc", "tests"} & {path.name for path in site.iterdir()}
