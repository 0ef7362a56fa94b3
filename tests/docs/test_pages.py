"""The manual tells the truth of today: generated pages, links, and examples that run."""

import re
import shutil
import subprocess

import click.formatting
import pytest

from tests.docs import DOCS, pages, stale


def test_generated_pages_are_as_the_code_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.formatting, "FORCED_WIDTH", None)
    drifted = [
        path.name for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text
    ]
    assert drifted == [], "make docs writes them anew"
    assert stale() == [], "pages of codes that are gone: make docs removes them"


def test_links_lead_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md"]
    dead = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert dead == []


def test_the_manual_page_is_roff_that_man_accepts() -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed: the page's syntax is not checked here")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", DOCS / "aami-hpc.1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
