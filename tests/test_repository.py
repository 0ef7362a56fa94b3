"""The clone itself: its top level, what must not be left in it, and the changelog."""

import re
import subprocess
from pathlib import Path

import pytest

import aami_hpc

CLONE = Path(aami_hpc.__file__).resolve().parent.parent
TOP = {
    ".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "aami_hpc", "bot",
    "docs", "etc", "presets", "pyproject.toml", "slurm", "tests", "xid",
}  # fmt: skip
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def _files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CLONE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git clone: nothing to list")
    return [CLONE / name for name in listed.stdout.splitlines() if (CLONE / name).is_file()]


def test_the_top_level_is_what_its_owner_asked_for() -> None:
    assert {path.relative_to(CLONE).parts[0] for path in _files()} == TOP


def test_no_marks_of_unfinished_work() -> None:
    left = [
        f"{path.relative_to(CLONE)}: {line.strip()}"
        for path in _files()
        if path.suffix in {".py", ".sh", ".c", ".yaml", ".toml", ".md"} and path != Path(__file__).resolve()
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if MARKS.search(line)
    ]
    assert left == []


def test_no_module_is_long() -> None:
    long = {
        str(path.relative_to(CLONE)): count
        for path in _files()
        if path.suffix == ".py" and (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(CLONE))
        for path in _files()
        if path.suffix == ".py"
        and (text := path.read_text(encoding="utf-8"))
        and not text.startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_the_changelog_is_of_this_version() -> None:
    versions = re.findall(
        r"^## \[(.+?)\]", (CLONE / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert versions[0] == aami_hpc.__version__


def test_ci_runs_what_the_readme_tells_a_user() -> None:
    script = (CLONE / ".ci/run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in script if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make test"]
    readme = (CLONE / "README.md").read_text(encoding="utf-8")
    assert readme.index("make up") < readme.index("make test") < readme.index("\n## ")
