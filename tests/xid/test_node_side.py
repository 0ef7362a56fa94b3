"""The package as compute nodes use it: an old interpreter, the standard library alone, inside a zip, cheap to import."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import aami_xid
from tests.xid.lines import DATA, YEAR, published

PACKAGE = Path(aami_xid.__file__).resolve().parent
SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import aami_xid
lines = open(sys.argv[2], encoding="utf-8").read().splitlines()[1:]
events = list(aami_xid.read([line.split("\\t")[0] for line in lines], year=YEAR, everything=True))
groups = aami_xid.group(events)
found = {"events": [event.to_dict() for event in events], "groups": [group.to_dict() for group in groups],
         "repeats": [repeat.to_dict() for repeat in aami_xid.repeats(groups)]}
json.dump(found, sys.stdout, sort_keys=True)
""".replace("YEAR", str(YEAR))


def old_pythons() -> Iterator[str]:
    """Interpreters of version 3.6 on this machine that really start."""
    candidates = [shutil.which("python3.6"), *map(str, Path.home().glob(".pyenv/versions/3.6*/bin/python"))]
    for path in candidates:
        if path is None:
            continue
        told = subprocess.run(
            [path, "-c", "import sys; print(sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if told.stdout.strip() == "(3, 6)":
            yield path


def answers(python: str, where: Path) -> str:
    done = subprocess.run(
        [python, "-I", "-S", "-B", "-W", "error", "-c", SCRIPT, where, DATA / "lines.tsv"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    return done.stdout


def test_a_real_python_3_6_gives_the_same_answers() -> None:
    python = next(old_pythons(), None)
    if python is None:
        pytest.skip(
            "NO PYTHON 3.6 ON THIS MACHINE: what runs on compute nodes was not tried on the oldest one"
        )
    assert answers(python, PACKAGE.parent) == answers(sys.executable, PACKAGE.parent)


def test_it_works_from_inside_a_zip(tmp_path: Path) -> None:
    archive = tmp_path / "aami-xid.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(PACKAGE.rglob("*")):
            if path.suffix in {".py", ".json"}:
                packed.write(path, path.relative_to(PACKAGE.parent))
    found = json.loads(answers(sys.executable, archive))
    assert len(found["events"]) == len(published())
    assert found["groups"]


def test_the_syntax_is_that_of_python_3_6() -> None:
    vermin = Path(sys.executable).with_name("vermin")
    if not vermin.exists():
        pytest.skip("vermin is not installed")
    done = subprocess.run(
        [vermin, "--target=3.6-", "--violations", "--no-tips", PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def loaded_by(code: str) -> set[str]:
    script = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_it_imports_nothing_else() -> None:
    assert loaded_by("import aami_xid") == {"aami_xid"}


def test_reading_a_line_imports_little() -> None:
    loaded = loaded_by(
        "import aami_xid; aami_xid.parse(b'NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.')"
    )
    assert (
        not {"argparse", "asyncio", "dataclasses", "datetime", "logging", "pathlib", "subprocess", "typing"}
        & loaded
    )
    third_party = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert third_party == {"aami_xid"}


def test_only_the_standard_library_is_used() -> None:
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in PACKAGE.rglob("*.py")
    ]
    loaded = loaded_by("\n".join(f"import {name.removesuffix('.__init__')}" for name in modules))
    assert {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) == {"aami_xid"}


def test_the_public_names_are_documented() -> None:
    for name in aami_xid.__all__:
        assert getattr(aami_xid, name).__doc__
