"""The YAML parser's complaints in words for the person who wrote the file: line, what, what to do.

The parser's own text is not passed on where it could quote the file: the quoted part may be a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

_QUOTE = ("opens a quote that is never closed", "Close it, or put the text in the other kind of quotes")
_BRACKET = ("opens a bracket that is not closed properly", "Close it with ] or }")
_INDENT = ("is not indented like its neighbours", "Give keys of one mapping the same number of spaces")
_TAB = ("is indented with a tab", "YAML indents with spaces only")

# A part of the parser's problem (or of its context) to what we say.
_TABLE = (
    ("unknown escape", ("has a backslash that means nothing in double quotes", "Use single quotes, or \\\\")),
    ("quoted scalar", _QUOTE),
    (
        "mapping values are not allowed",
        ("has a colon where none can be", "Text with ': ' in it needs quotes"),
    ),
    ("could not find expected ':'", ("is neither a key with a value nor part of one", "Write KEY: VALUE")),
    (
        "cannot start any token",
        ("begins a value with a character that YAML keeps for itself", "Put it in quotes"),
    ),
    ("did not find expected key", _INDENT),
    ("did not find expected '-'", _INDENT),
    ("block collection", _INDENT),
    ("expected ',' or", _BRACKET),
    (
        "block sequence entries are not allowed",
        ("has a list item where none can be", "Begin each item with - on a line of its own"),
    ),
    ("node content", ("has a bracket or a comma where a value should be", "Check brackets and commas")),
    ("tag", ("has a tag that can't be read", "Text that begins with ! needs quotes")),
    ("alias", ("has an alias that can't be read", "Text that begins with * needs quotes")),
    ("anchor", ("has an anchor that can't be read", "Text that begins with & needs quotes")),
    ("directive", ("has a directive that can't be read", "Remove the line that begins with %")),
)


def told(error: yaml.YAMLError, text: str) -> tuple[int, str, str]:
    """Line, what is wrong, and what to do about it."""
    position = getattr(error, "position", None)
    if position is not None:
        line = text.encode("utf-8", "surrogatepass").count(b"\n", 0, position) + 1
        return line, "has a control character in it", "Remove it"
    problem = str(getattr(error, "problem", "") or "")
    context = str(getattr(error, "context", "") or "")
    line = min(_line(error, "problem_mark", 1), max(len(text.splitlines()), 1))
    if _tabbed(text, line):
        return line, *_TAB
    for part, (what, hint) in _TABLE:
        if part in context or part in problem:
            if (what, hint) in {_QUOTE, _BRACKET}:  # where it was opened says more than where the file ends
                line = _line(error, "context_mark", line)
            return line, what, hint
    return line, "is not YAML", "See docs/configuration.md for how the file is written"


def _line(error: yaml.YAMLError, mark: str, otherwise: int) -> int:
    found = getattr(error, mark, None)
    return otherwise if found is None else found.line + 1


def _tabbed(text: str, line: int) -> bool:
    lines = text.splitlines()
    if not 0 < line <= len(lines):
        return False
    indent = lines[line - 1][: -len(lines[line - 1].lstrip()) or None]
    return "\t" in indent
