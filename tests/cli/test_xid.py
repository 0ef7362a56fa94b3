"""`aami-hpc xid list` and `xid export` as typed."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from aami_hpc.xid import catalog
from tests.cli.calls import aami

pytestmark = pytest.mark.slow


def codes(*arguments: str) -> list[int]:
    return [entry["code"] for entry in json.loads(aami("xid", "list", "--json", *arguments).stdout)]


def test_the_list_has_every_code() -> None:
    assert codes() == list(catalog.codes("xid"))
    assert codes("--kind", "sxid") == list(catalog.codes("sxid"))
    assert len(codes("--kind", "all")) == len(catalog.codes("xid")) + len(catalog.codes("sxid"))


def test_filters() -> None:
    fatal = codes("--severity", "fatal")
    node = codes("--affects", "node")
    assert 79 in fatal
    assert 79 in node
    assert set(codes("--severity", "fatal", "--affects", "node")) == set(fatal) & set(node)
    assert 31 in codes("--action", "notify")


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("fell off the bus", 79), ("row remapper", 63), ("GSP timeout", 119), ("illegal memory access", 13),
        ("page fault", 31), ("GPU is lost", 79), ("xid 79", 79),
    ],
)  # fmt: skip
def test_words_that_people_search(words: str, first: int) -> None:
    assert codes("--search", words)[0] == first


def test_words_begin_words() -> None:
    assert codes("--search", "zebra") == []
    assert set(codes("--search", "ROW remap")) == set(codes("--search", "remap row"))


def test_nothing_fits() -> None:
    done = aami("xid", "list", "--search", "zebra")
    assert (done.returncode, done.stdout) == (1, "no code fits\n")


def test_a_wrong_filter_names_the_right_ones() -> None:
    done = aami("xid", "list", "--severity", "bad")
    assert done.returncode == 2
    assert "fatal" in done.stderr


def test_export_json_has_every_key() -> None:
    whole = json.loads(aami("xid", "export", "--format", "json").stdout)
    assert whole == json.loads(aami("xid", "export", "--json").stdout)
    assert len(whole) == len(catalog.codes("xid")) + len(catalog.codes("sxid"))
    entry = catalog.xid(79)
    assert entry is not None
    assert whole[78] == entry.as_dict()


def test_export_markdown() -> None:
    text = aami("xid", "export").stdout
    assert "\n## Xid 79: GPU has fallen off the bus\n" in text
    assert text.count("\n## ") + 1 == len(catalog.codes("xid")) + len(catalog.codes("sxid"))


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_export_html_is_escaped_and_loads_nothing() -> None:
    seen = Seen()
    seen.feed(aami("xid", "export", "--format", "html").stdout)
    assert not {"script", "img", "link", "a", "unknown"} & seen.tags
    assert seen.attributes <= {"lang", "charset", "class"}
    assert "name=<unknown>" in "".join(seen.text)
