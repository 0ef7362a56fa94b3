"""Limits that no automatic drain passes: how many nodes may be out by us, at once and within spans of time. Pure.

Slurm has no compare-and-set, so a node looks twice: `examine` before its write, `surplus` after it. Who writes stands
in the order of (since, node), since being the controller's whole second; a node that looks 1.1 s after its own write
sees every write that stands before its own, and gives way if those fill a rail. So of any number of nodes that write
at once, in whatever order, no more than allowed stay drained, and the first one always does.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple

    Ours = Sequence[Tuple[str, str, float]]  # node, reason, since

STANDARD: "Dict[str, Any]" = {
    "windows": [
        {"seconds": 600, "nodes": 2, "share": 0.05},
        {"seconds": 3600, "nodes": 4, "share": 0.05},
    ],
    "out": {"share": 0.05, "at_least": 2},
}
LONGEST = 604800  # seconds of a window: a week
_ROUNDING = 1e-9  # 0.29 * 100 is 28.999999999999996


class Ruling:
    """Whether a drain may be written. `rail` says which rail stopped it, "" where none did."""

    __slots__ = ("ok", "rail")

    def __init__(self, rail: "str" = "") -> "None":
        self.ok = not rail
        self.rail = rail


def allowed(nodes: "int", share: "float", gpu_nodes: "int") -> "int":
    """Nodes that may be drained within a window of a cluster with so many GPU nodes: never less than one."""
    return max(1, min(nodes, _part(share, gpu_nodes)))


def allowed_out(out: "Dict[str, Any]", gpu_nodes: "int") -> "int":
    """Nodes that may be out by us at all."""
    return int(max(out["at_least"], _part(out["share"], gpu_nodes)))


def examine(rails: "Dict[str, Any]", gpu_nodes: "int", ours: "Ours", now: "float") -> "Ruling":
    """Before a write. `ours` are the other nodes that carry a reason which we gave automatically."""
    return Ruling(_full(rails, gpu_nodes, [since for _, _, since in ours], now))


def surplus(rails: "Dict[str, Any]", gpu_nodes: "int", ours: "Ours", node: "str") -> "Optional[str]":
    """After our own write was seen: which rail the drains before ours fill already, or None if ours may stay.

    Windows end at our own second, not at now: so no span of that length ever holds more, however late we look.
    """
    own = [(since, name) for name, _, since in ours if name == node]
    if not own:
        return "our own drain is not among those that Slurm shows"
    before = [since for name, _, since in ours if (since, name) < own[0]]
    return _full(rails, gpu_nodes, before, own[0][0]) or None


def _full(rails: "Dict[str, Any]", gpu_nodes: "int", since: "List[float]", end: "float") -> "str":
    """The first rail that leaves no room beside drains of these times."""
    for window in rails["windows"]:
        limit = allowed(window["nodes"], window["share"], gpu_nodes)
        count = sum(1 for second in since if second > end - window["seconds"])
        if count >= limit:
            span = _span(window["seconds"])
            return "%d drained by us within %s, %d allowed of %d GPU nodes" % (count, span, limit, gpu_nodes)
    limit = allowed_out(rails["out"], gpu_nodes)
    if len(since) >= limit:
        return "%d out by us, %d allowed of %d GPU nodes" % (len(since), limit, gpu_nodes)
    return ""


def _part(share: "float", gpu_nodes: "int") -> "int":
    return int(share * gpu_nodes + _ROUNDING)


def _span(seconds: "float") -> "str":
    for unit, word in ((3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return "%d %s" % (seconds // unit, word)
    return "%d s" % seconds


def problems(rails: "Any") -> "List[str]":
    """What is wrong with rails as a policy gives them; an empty list if they can be used."""
    if not isinstance(rails, dict):
        return ["rails is no mapping"]
    found = ["rails has no key %r" % (key,) for key in rails if key not in STANDARD]
    windows = rails.get("windows", STANDARD["windows"])
    if not isinstance(windows, list) or not windows:
        found.append("rails.windows is no list of at least one window")
        windows = []
    for number, window in enumerate(windows, 1):
        found += _wrong("rails.windows, window %d" % number, window, ("seconds", "nodes", "share"))
    out = rails.get("out", STANDARD["out"])
    return found + _wrong("rails.out", out, ("share", "at_least"))


def _wrong(where: "str", told: "Any", keys: "Sequence[str]") -> "List[str]":
    if not isinstance(told, dict) or set(told) != set(keys):
        return ["%s does not have exactly the keys %s" % (where, ", ".join(keys))]
    return ["%s: %s is not %s" % (where, key, _IS[key][1]) for key in keys if not _IS[key][0](told[key])]


def is_number(value: "Any") -> "bool":
    """A finite number, and not true or false."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300  # noqa: PLR2004


def is_whole(value: "Any", least: "int", most: "int") -> "bool":
    return is_number(value) and least <= value <= most and value == int(value)


_IS: "Dict[str, Tuple[Any, str]]" = {
    "seconds": (lambda value: is_whole(value, 1, LONGEST), "a whole number of seconds up to a week"),
    "nodes": (lambda value: is_whole(value, 1, 10**6), "a whole number of at least 1"),
    "at_least": (lambda value: is_whole(value, 1, 10**6), "a whole number of at least 1"),
    "share": (lambda value: is_number(value) and 0 <= value <= 1, "a share from 0 to 1"),
}
