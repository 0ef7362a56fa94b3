"""The error tree: unique references and statuses, and a page that tells every one of them."""

import re
from pathlib import Path

import pytest

from aami_hpc import errors

DOCS = Path(__file__).resolve().parent.parent / "docs" / "errors.md"


def _tree(top: type[errors.AamiError] = errors.AamiError) -> list[type[errors.AamiError]]:
    return [found for sub in top.__subclasses__() for found in (sub, *_tree(sub))]


def test_references_and_statuses_are_unique_and_in_their_branch() -> None:
    classes = [found for found in _tree() if found.__module__ == errors.__name__]
    assert len({found.reference for found in classes}) == len(classes)
    assert len({found.exit_status for found in classes}) == len(classes)
    for found in classes:
        if found is not errors.UsageFault:
            assert 10 <= found.exit_status <= 125, found
        for parent in found.__mro__[1:]:
            if issubclass(parent, errors.AamiError) and parent is not errors.AamiError:
                assert found.exit_status // 10 == parent.exit_status // 10, found


def test_every_error_has_a_section_in_the_docs_and_every_section_an_error() -> None:
    told = dict(
        re.findall(r"^### `([a-z-]+)` \(exit status (\d+)\)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert told == {
        found.reference: str(found.exit_status) for found in _tree() if found.__module__ == errors.__name__
    }


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (errors.NodeError("No such rack"), "No such rack."),
        (errors.NodeError("No such rack", hint="Did you mean r12?"), "No such rack. Did you mean r12?"),
        (errors.NodeError("a.", cause="b", hint="c"), "a. b. c."),
    ],
)
def test_an_error_is_one_line_of_sentences(error: errors.AamiError, line: str) -> None:
    assert str(error) == line
    assert set(error.as_dict()) == {"reference", "message", "cause", "hint", "exit_status"}
