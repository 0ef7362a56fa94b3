"""Node sets as people write them, `gpu[1-4]!gpu2`: their grammar, and folding. The one user of ClusterShell.

An expression is checked whole before ClusterShell sees any of it: letter by letter, so that no pattern,
option, control character or second meaning gets through, and by size, so that `n[1-999999999]` costs nothing.
ClusterShell then expands and folds. Its group files (/etc/clustershell) are never read: groups are ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ClusterShell.Defaults import DEFAULTS
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException

from aami_hpc.errors import NodeSetSyntax
from aami_hpc.model.node import is_node_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIMIT = 200_000  # names that one expression may stand for
_LONGEST = 200_000  # characters; an argument can't have more than 131,072

_SPAN = r"[0-9]{1,15}(?:-[0-9]{1,15}(?:/[0-9]{1,9})?)?"
_BRACKET = rf"\[{_SPAN}(?:,{_SPAN})*\]"
_WORD = r"[A-Za-z0-9._-]+"
_SET = rf"(?:[A-Za-z0-9]|(?={_BRACKET}))(?:[A-Za-z0-9._-]|{_BRACKET})*"
_OPERAND = re.compile(rf"(?:@(?P<source>{_WORD}):(?P<group>{_SET})|(?P<nodes>{_SET}))")
_UNTIL_OPERATOR = re.compile(r"(?:[^,!&^\[]|\[[^\]]*\]?)*")  # operators count outside of brackets
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_LAST_NUMBER = re.compile(r"^(.*?)([0-9]{1,15})([^0-9]*)$")
_HINT = "Write for example gpu[001-016], gpu001,gpu002, @partition:gpu or gpu[1-8]!gpu3; see docs/nodes.md"

DEFAULTS.fold_axis = ()  # a site's ClusterShell settings must not change what we print


@dataclass(frozen=True, slots=True)
class Term:
    """One operand of an expression and how it joins what stands before it: `,` `!` `&` `^`."""

    operator: str
    text: str
    nodes: str = ""
    source: str = ""
    group: str = ""


def terms(expression: str) -> tuple[Term, ...]:
    """The expression in its parts, each of them well-formed and of a size we can work with."""
    if not expression or expression.isspace():
        raise _syntax("The node set is empty", "A command never takes that for all nodes")
    if len(expression) > _LONGEST:
        raise _syntax("The node set is too long", f"It has more than {_LONGEST} characters")
    found = tuple(_term(operator, text) for operator, text in _split(expression))
    if sum(_size(term.nodes or term.group) for term in found) > LIMIT:
        raise _syntax(f"{_short(expression)} stands for too many names", f"They are more than {LIMIT}")
    return found


def expand(expression: str) -> tuple[str, ...]:
    """The names an expression without groups stands for, in its own order, each once. Any names, not only known ones."""
    names: dict[str, None] = {}
    for term in terms(expression):
        if term.source:
            raise _syntax(f"{_short(term.text)} is a group", "Only node names can be used here")
        names = combine(names, term.operator, names_in(term.nodes))
    return tuple(names)


def names_in(text: str) -> Iterator[str]:
    """The names one checked operand stands for."""
    try:
        yield from map(str, NodeSet(text, resolver=RESOLVER_NOGROUP))
    except NodeSetException as error:
        raise _syntax(f"{_short(text)} is no node set", str(error)) from error


def combine(left: dict[str, None], operator: str, right: Iterable[str]) -> dict[str, None]:
    """The algebra of node sets, from left to right as ClusterShell reads it."""
    other = dict.fromkeys(right)
    if operator == ",":
        return left | other
    if operator == "&":
        return {name: None for name in left if name in other}
    rest = {name: None for name in left if name not in other}
    if operator == "^":
        rest |= {name: None for name in other if name not in left}
    return rest


def fold(names: Iterable[str]) -> str:
    """The names as one short text, `gpu[001-016]`. `expand` gives the same names back."""
    rows: dict[tuple[str, int, str], list[str]] = {}
    plain: list[str] = []
    for name in dict.fromkeys(names):
        if not is_node_name(name):
            raise _syntax(f"{_short(name)} is no node name")
        match = _LAST_NUMBER.match(name)
        if match is None:
            plain.append(name)
            continue
        head, number, tail = match.groups()
        rows.setdefault((head, len(number), tail), []).append(number)
    # ClusterShell takes one name after the other: it gets whole rows instead, and joins those.
    plain += [f"{head}[{','.join(sorted(numbers))}]{tail}" for (head, _, tail), numbers in rows.items()]
    return str(NodeSet(",".join(plain), resolver=RESOLVER_NOGROUP))


def _split(expression: str) -> Iterator[tuple[str, str]]:
    """Each operand with the operator before it; the first one is added to nothing."""
    operator, position = ",", 0
    while match := _UNTIL_OPERATOR.match(expression, position):
        yield operator, match[0]
        if match.end() == len(expression):
            return
        operator, position = expression[match.end()], match.end() + 1


def _term(operator: str, text: str) -> Term:
    match = _OPERAND.fullmatch(text)
    if match is None:
        raise _syntax(*_what_is_wrong(text))
    if match["nodes"] and match["nodes"].lower() == "all":
        raise _syntax(
            f"{text} is no node",
            "Slurm takes it for every node there is",
            "Name the nodes or a group such as @partition:gpu",
        )
    return Term(operator, text, match["nodes"] or "", match["source"] or "", match["group"] or "")


def _what_is_wrong(text: str) -> tuple[str, str]:
    """The message and the cause for an operand that is none."""
    if not text:
        return "The node set has an empty part", "Something is missing beside one of , ! & ^"
    unseen = any(char.isspace() or not char.isprintable() for char in text)
    causes = (
        (unseen, "It holds a space or a character that can't be seen"),
        (text.startswith("-"), "It begins like an option"),
        ("=" in text, "Only the name itself is written, without KEY="),
        ("*" in text or "?" in text, "Patterns are not used: a range or a group says which nodes are meant"),
        (text.startswith("@") and ":" not in text, "A group is written @SOURCE:NAME, such as @partition:gpu"),
        (True, "It is neither a name, nor a range, nor a group"),
    )
    return f"{_short(text)} is no node set", next(cause for wrong, cause in causes if wrong)


def _size(text: str) -> int:
    """How many names an operand stands for, without expanding it."""
    size = 1
    for bracket in _BRACKETS.findall(text):
        size *= sum(map(_span, bracket.split(",")))
    return size


def _span(text: str) -> int:
    ends, _, step = text.partition("/")
    low, _, high = ends.partition("-")
    first, last, stride = int(low), int(high or low), int(step or 1)
    if last < first or stride == 0:
        raise _syntax(f"{_short(text)} is no range", "It counts backwards, or in steps of nothing")
    return (last - first) // stride + 1


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - what fits in a line


def _syntax(message: str, cause: str = "", hint: str = _HINT) -> NodeSetSyntax:
    return NodeSetSyntax(message, cause=cause, hint=hint)
