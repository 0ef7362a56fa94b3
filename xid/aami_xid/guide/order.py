"""Several codes as the story they make: which is the root, what follows it, and why.

Two sources say what follows what: the link rules that also make fault groups, and the catalogue's `related`.
"""

from aami_xid import weights
from aami_xid.guide.unknown import SXID_FROM
from aami_xid.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Set, Tuple

    Entry = Dict[str, Any]
    Key = Tuple[str, int]
    Edges = Dict[Tuple[Key, Key], str]


def stories(entries: "List[Entry]") -> "List[List[Tuple[Entry, str]]]":
    """Each story in order, the root first, every entry with the words for its place (the root with none)."""
    by_key = {_key(entry): entry for entry in sorted(entries, key=_key)}
    edges = _edges(by_key)
    found = [_story(keys, by_key, edges) for keys in _together(list(by_key), edges)]
    return sorted(found, key=lambda story: _weight(_key(story[0][0])))


def _key(entry: "Entry") -> "Key":
    return entry["kind"], entry["code"]


def _weight(key: "Key") -> "Tuple[int, Key]":
    """The lightest number is the heaviest code."""
    kind, code = key
    if kind == "xid":
        return -weights.of_code(code).priority, key
    from aami_xid.decode import nvswitch

    return -weights.of_switch(nvswitch.usual(code), nvswitch.scope(code)).priority, key


def _edges(by_key: "Dict[Key, Entry]") -> "Edges":
    """(earlier, later) and why."""
    found: "Edges" = {}
    for entry in by_key.values():
        for one in entry["related"]:
            other = one.get("kind", "xid" if one["code"] < SXID_FROM else "sxid"), one["code"]
            if other in by_key:
                _add(found, _key(entry), other, one["order"], one["why"])
    for rule in table("groups")["links"]:
        for first in by_key:
            for then in by_key:
                if first != then and _in(first, rule["roots"]) and _in(then, rule["followers"]):
                    heavier = not _in(then, rule["roots"]) or _weight(first) < _weight(then)
                    if heavier and not {(first, then), (then, first)} & set(found):
                        found[first, then] = "follows it"
    return found


def _in(key: "Key", tokens: "List[str]") -> "bool":
    return "%s:%d" % key in tokens or (key[0] == "sxid" and "sxid:*" in tokens)


def _add(found: "Edges", mine: "Key", other: "Key", order: "str", why: "str") -> "None":
    """`after` means that the other comes after mine. What comes with it stands behind the heavier of the two."""
    earlier = order == "after" or (order == "with" and _weight(mine) < _weight(other))
    pair = (mine, other) if earlier else (other, mine)
    if (pair[1], pair[0]) not in found and (pair not in found or earlier):
        found[pair] = why


def _together(keys: "List[Key]", edges: "Edges") -> "List[Set[Key]]":
    """Keys that an edge ties, directly or over others."""
    found: "List[Set[Key]]" = []
    for key in keys:
        near = {other for pair in edges if key in pair for other in pair} | {key}
        joined = [group for group in found if group & near]
        found = [group for group in found if not group & near]
        found.append(near.union(*joined))
    return found


def _story(keys: "Set[Key]", by_key: "Dict[Key, Entry]", edges: "Edges") -> "List[Tuple[Entry, str]]":
    order: "List[Key]" = []
    left = set(keys)
    while left:
        free = [key for key in left if not any((other, key) in edges for other in left)]
        first = min(free or left, key=_weight)  # in a circle the heaviest goes first
        order.append(first)
        left.remove(first)
    return [(by_key[key], _why(key, order[:place], edges)) for place, key in enumerate(order)]


def _why(key: "Key", before: "List[Key]", edges: "Edges") -> "str":
    for other in before:
        if (other, key) in edges:
            return "after %s: %s" % ("%d" % other[1], edges[other, key])
    return ""
