"""Every fault in tests/data/config/bad is found, told in one sentence with file and line, and quotes no secret.

The first line of a file says what is expected: `# expect: REFERENCE LINE: WHAT. HINT`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from aami_hpc.config import load, reader
from aami_hpc.config.examine import examine
from aami_hpc.errors import ConfigError, ConfigInvalid, ConfigSyntax, SecretUnavailable

BAD = sorted((Path(__file__).parents[1] / "data/config/bad").iterdir())
CLASSES = {kind.reference: kind for kind in (ConfigInvalid, ConfigSyntax, SecretUnavailable)}


def expectation(path: Path) -> tuple[str, str]:
    head = path.read_bytes().splitlines()[0].decode()
    reference, place = head.removeprefix("# expect: ").split(" ", 1)
    line, told = place.split(": ", 1)
    return reference, f"{path}:{line} {told}"


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_fault_is_told(path: Path) -> None:
    reference, told = expectation(path)
    with pytest.raises(ConfigError) as caught:
        load(path, environ={"HOME": "/home/someone"})
    assert type(caught.value) is CLASSES[reference]
    assert str(caught.value).rstrip(".?!") == told.rstrip(".?!")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_each_file_has_one_fault(path: Path) -> None:
    problems = examine(path, environ={}).problems
    assert len({(problem.line, problem.what) for problem in problems}) == 1


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_parser_without_libyaml_agrees(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same class and line; the sentence may be another, since the parsers word their complaints differently."""
    monkeypatch.setattr(reader, "_LOADER", yaml.BaseLoader)
    reference, told = expectation(path)
    found = examine(path, environ={"HOME": "/home/someone"}).problems[0]
    assert found.reference == reference
    assert f"{found.where} " == told[: len(found.where) + 1]
