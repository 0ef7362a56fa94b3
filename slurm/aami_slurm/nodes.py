"""Whether a node stands in a range as people write it, `gpu[001-064,070],a[1-2]b[3-4]`: matched, never expanded.

The grammar is Slurm's for lists of nodes, with text behind brackets as well (`node[1-4]-ib`), as the head node folds
such names. A number is padded to the width of the first one of its span: `gpu[1-10]` has gpu7, `gpu[01-10]` has gpu07.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Set, Tuple

    Span = Tuple[int, int, int]  # width, first, last

_DIGITS = "0123456789"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" + _DIGITS
_IN_NAMES = _LETTERS + "._-"
_LONGEST = 15  # digits of a number
_RESERVED = ("all", "default")  # Slurm takes these for something else than a node
_SHOWN = 60
_REMEMBERED = 64
_known: "Dict[Tuple[str, str], bool]" = {}  # a hook asks the same for each of its checks


class BadRange(ValueError):  # noqa: N818 - the house's way to name errors
    """The text is no list of nodes. Nothing may be concluded from it, not even that a node is not in it."""


def matches(expression: "str", name: "str") -> "bool":
    """Whether the range has this node. A broken part raises BadRange, wherever in the list it stands."""
    if not isinstance(expression, str):
        raise BadRange("a range of nodes is a text")
    question = (expression, name)
    if question not in _known:
        found = [_in_term(term.strip(), name) for term in _terms(expression)]
        if len(_known) >= _REMEMBERED:
            _known.clear()
        _known[question] = True in found
    return _known[question]


def _terms(expression: "str") -> "Iterator[str]":
    """The parts between those commas that stand outside of brackets."""
    held: "List[str]" = []
    inside = False
    for part in expression.split(","):
        held.append(part)
        opening, closing = part.rfind("["), part.rfind("]")
        inside = opening > closing or (inside and closing < 0)
        if not inside:
            yield ",".join(held)
            held = []
    if held:
        raise _bad(expression, "a bracket is not closed")


def _in_term(term: "str", name: "str") -> "bool":
    """Follows the term through the name. Where brackets touch, digits may belong to either: every way is followed."""
    if not term:
        raise BadRange("a name of a node is missing")
    if term[0] not in _LETTERS + "[" or term.lower() in _RESERVED:
        raise _bad(term, "this is no name of a node")
    places = {0}
    rest = term
    while True:
        literal, opened, rest = rest.partition("[")
        if literal.strip(_IN_NAMES):
            raise _bad(term, "names have letters, digits, dots, dashes and underscores")
        places = {place + len(literal) for place in places if name.startswith(literal, place)}
        if not opened:
            return len(name) in places
        inside, closed, rest = rest.partition("]")
        if not closed:
            raise _bad(term, "a bracket is not closed")
        spans = [_span(part, term) for part in inside.split(",")]
        places = {end for place in places for end in _ends(spans, name, place)}


def _span(part: "str", term: "str") -> "Span":
    low, dash, high = part.partition("-")
    if not dash:
        high = low
    if not (_is_number(low) and _is_number(high)):
        raise _bad(term, "in brackets there are numbers and spans of numbers")
    if int(low) > int(high):
        raise _bad(term, "a span counts backwards")
    return len(low), int(low), int(high)


def _is_number(text: "str") -> "bool":
    return 0 < len(text) <= _LONGEST and not text.strip(_DIGITS)


def _ends(spans: "List[Span]", name: "str", place: "int") -> "Set[int]":
    """Where in the name a number of these spans may end that begins at this place."""
    tail = name[place : place + _LONGEST]
    digits = tail[: len(tail) - len(tail.lstrip(_DIGITS))]
    values = [int(digits[:length]) for length in range(1, len(digits) + 1)]
    padded = digits.startswith("0")
    found = set()
    for width, low, high in spans:
        # Longer than the width only as far as the number itself needs it.
        for length in range(width, 1 + (width if padded else len(values))):
            if length <= len(values) and low <= values[length - 1] <= high:
                found.add(place + length)
    return found


def _bad(text: "str", why: "str") -> "BadRange":
    return BadRange("%r: %s" % (text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...", why))
