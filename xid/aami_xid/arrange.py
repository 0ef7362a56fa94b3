"""Which cell explains which: follows the link rules from every cell to the one at its top. Pure, and blind to order."""

from aami_xid.cells import GPU, NOTE, SWITCH, UNKNOWN, rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    from aami_xid.cells import Cell

FAR = 60.0  # seconds within which a report without a device is looked for at a device


def tokens(cell: "Cell") -> "List[str]":
    """The names by which rules know a cell: its root's token, and for switches how bad it is."""
    token = cell.root.token
    if cell.place[0] != SWITCH:
        return [token]
    fatal = cell.root.severity == "fatal"
    wide = fatal and -rank(cell.root)[0] > PORT_PRIORITY
    return [token, "sxid:*"] + (["sxid:switch"] if wide else ["sxid:fatal"] if fatal else [])


PORT_PRIORITY = 70  # between a fatal error of one port and one of the whole switch, in codes.json


class Roles:
    """What one cell can be under the link rules: the numbers of those in which it is a root, and a follower."""

    __slots__ = ("follows", "roots")

    def __init__(self, cell: "Cell", rules: "Dict[str, Any]") -> "None":
        names = set(tokens(cell))
        self.roots = {
            number for number, rule in enumerate(rules["links"]) if not names.isdisjoint(rule["roots"])
        }
        self.follows = {
            number for number, rule in enumerate(rules["links"]) if not names.isdisjoint(rule["followers"])
        }


def parents(cells: "List[Cell]", rules: "Dict[str, Any]") -> "Dict[Cell, Cell]":
    """For every cell that follows another, the one it follows."""
    roles = {cell: Roles(cell, rules) for cell in cells}
    roots = [cell for cell in cells if roles[cell].roots]
    found: "Dict[Cell, Cell]" = {}
    for cell in cells:
        near = roots if roles[cell].follows else []
        choices = [
            (_weight(number, cell, other), other)
            for other in near
            for number in _rules(cell, other, roles, rules)
        ]
        if not choices and cell.place == (GPU, UNKNOWN):
            choices = [(_weight(0, cell, other), other) for other in _same_fault_elsewhere(cell, cells)]
        if choices:
            found[cell] = min(choices, key=lambda choice: choice[0])[1]
    return found


def _weight(number: "int", cell: "Cell", other: "Cell") -> "Tuple[Any, ...]":
    return number, distance(cell, other), rank(other.root), other.place


def _rules(cell: "Cell", other: "Cell", roles: "Dict[Cell, Roles]", rules: "Dict[str, Any]") -> "List[int]":
    """The first rule under which one cell follows the other."""
    if other is cell or other.host != cell.host:
        return []
    for number in sorted(roles[cell].follows & roles[other].roots):
        rule = rules["links"][number]
        near = other.root.first - rule["before_s"] <= cell.first <= other.root.last + rule["after_s"]
        # Two that could be root of each other: the heavier and then the earlier one is.
        if near and (number not in roles[cell].roots or _before(other, cell)):
            return [number]
    return []


def _before(one: "Cell", other: "Cell") -> "bool":
    """Which of two is the root; a note never is where a device has the fault as well."""
    return (one.place[0] == NOTE, rank(one.root), one.place) < (
        other.place[0] == NOTE,
        rank(other.root),
        other.place,
    )


def _same_fault_elsewhere(cell: "Cell", cells: "List[Cell]") -> "List[Cell]":
    """A report that names no device joins the one device that has the same fault, or any, at that time."""
    named = [
        other for other in cells if other.place[0] == GPU and other is not cell and other.host == cell.host
    ]
    around = [other for other in named if distance(cell, other) <= FAR]
    same = [other for other in around if other.root.family == cell.root.family] or around
    return same if len(same) == 1 else []


def distance(one: "Cell", other: "Cell") -> "float":
    """Seconds between two cells; 0 where they overlap."""
    return max(0.0, one.first - other.last, other.first - one.last)


def groups(cells: "List[Cell]", rules: "Dict[str, Any]") -> "List[Tuple[Cell, List[Cell]]]":
    """(root cell, all its cells), the root first. Each cell is in one."""
    above = parents(cells, rules)
    members: "Dict[Cell, List[Cell]]" = {}
    for cell in cells:
        members.setdefault(_top(cell, above), []).append(cell)
    return [(top, [top] + [cell for cell in found if cell is not top]) for top, found in members.items()]


def _top(cell: "Cell", above: "Dict[Cell, Cell]") -> "Cell":
    seen = [cell]
    while seen[-1] in above:
        parent = above[seen[-1]]
        if parent in seen:  # a circle of rules: its heaviest is the top
            return min(seen[seen.index(parent) :], key=lambda member: (rank(member.root), member.place))
        seen.append(parent)
    return seen[-1]


def independent(root: "Cell", others: "List[Cell]", rules: "Dict[str, Any]") -> "bool":
    """Whether no rule could ever tie this group to one of the cells that are still growing."""
    if root.place == (GPU, UNKNOWN):
        return not others
    roles = Roles(root, rules)
    reach = max(
        [
            rules["links"][number]["before_s"] + rules["links"][number]["after_s"]
            for number in roles.roots | roles.follows
        ]
        or [0]
    )
    return (
        not any(other.host == root.host and distance(root, other) <= reach for other in others)
        if reach
        else True
    )


def lonely(cells: "List[Cell]", rules: "Dict[str, Any]") -> "bool":
    """Notes that mean something only beside a fault."""
    weak = rules["only_as_followers"]
    return all(run.token in weak and run.severity != "error" for cell in cells for run in cell.runs.values())
