"""The policy examples in the checks' pages, as an administrator copies them into config.yaml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from aami_hpc.config import load
from aami_hpc.hooks import policy
from tests.docs import DOCS

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = re.compile(r"^```yaml\n(policy:\n.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in sorted((DOCS / "checks").glob("*.md"))
    for number, text in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 19


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_head_takes_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    assert policy.document(load(file))["rules"]
