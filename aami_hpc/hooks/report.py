"""How an order ended on one node, as data: outcomes with stable words, and what to do about each."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from aami_hpc.fleet.nodeset import fold
from aami_hpc.io.ssh import MEANINGS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aami_hpc.hooks.look import Look, Stopped
    from aami_hpc.io.ssh import Outcome

# The connection stands, and what was run on it did not do its work.
_ON_THE_NODE = frozenset({Kind.COMMAND_FAILED, Kind.COMMAND_TIMEOUT, Kind.TRANSFER_FAILED})


class Ending(str, Enum):
    """What became of a node, as stable words."""

    OK = "ok"
    PUSHED = "pushed"
    WOULD_PUSH = "would-push"
    UNCHANGED = "unchanged"
    SWITCHED = "switched"
    REMOVED = "removed"
    NOTHING = "nothing-there"
    OUTDATED = "outdated"
    DRIFT = "drift"
    NO_PYTHON = "no-python"
    NO_SPACE = "no-space"
    NOT_WRITABLE = "not-writable"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


GOOD = frozenset(
    {Ending.OK, Ending.PUSHED, Ending.WOULD_PUSH, Ending.UNCHANGED, Ending.SWITCHED, Ending.REMOVED}
)
_HINTS = {
    Ending.NO_PYTHON: "Install a Python 3 of the distribution there, or set hooks.python",
    Ending.NO_SPACE: "Free space on the file system of /usr/lib/aami-hpc there",
    Ending.NOT_WRITABLE: "Log in as root, or set ssh.sudo; a system that is read-only takes the tree in its image: "
    "aami-hpc hooks render",
    Ending.FAILED: "The generation named is in force there; run the command again when the cause is gone",
    Ending.DRIFT: "aami-hpc hooks push puts it right",
    Ending.OUTDATED: "aami-hpc hooks push brings them to the generation of this configuration",
}
_OTHER_LIST = "its list of files is not that of the other nodes with this generation"


@dataclass(frozen=True, slots=True)
class Report:
    """One node. `generation` is in force there now, as it was read back; None where that is unknown or none is."""

    node: str
    ending: Ending
    generation: str | None = None
    before: str | None = None
    detail: str = ""
    hint: str = ""
    look: Look | None = None

    @property
    def good(self) -> bool:
        return self.ending in GOOD

    def as_dict(self) -> dict[str, Any]:
        return {
            "outcome": self.ending.value,
            "generation": self.generation,
            "before": self.before,
            "detail": self.detail,
            "python": self.look.version if self.look else None,
        }


def report(
    node: str, ending: Ending, look: Look | None = None, *, before: str | None = None, detail: str = ""
) -> Report:
    """A report on a node that answered."""
    generation = look.generation if look else None
    return Report(node, ending, generation, before, detail, _HINTS.get(ending, ""), look)


def of_stopped(node: str, stopped: Stopped, look: Look | None = None) -> Report:
    """A report on a node that could not do it, and says at which step."""
    if stopped.step == "python":
        return report(node, Ending.NO_PYTHON, detail=stopped.detail)
    known = stopped.generation or (look.generation if look else None)
    detail = f"{stopped.step}: {stopped.detail}"
    return Report(node, Ending.FAILED, known, known, detail, _HINTS[Ending.FAILED], look)


def of_outcome(node: str, outcome: Outcome, look: Look | None = None) -> Report:
    """A report on a node that could not be reached, or where the connection's own work failed."""
    meaning = MEANINGS[outcome.kind]
    ending = Ending.FAILED if outcome.kind in _ON_THE_NODE else Ending.UNREACHABLE
    detail = f"{meaning.says}: {outcome.detail}" if outcome.detail else meaning.says
    before = look.generation if look else None
    return Report(node, ending, None, before, detail, meaning.hint, look)


def unlike_the_others(reports: Iterable[Report]) -> list[Report]:
    """The reports; nodes whose list of files is not that of most nodes with the same generation have drifted."""
    found = list(reports)
    lists: defaultdict[str | None, Counter[str | None]] = defaultdict(Counter)
    for one in found:
        lists[one.generation][one.look.manifest if one.look else None] += 1
    usual = {generation: seen.most_common(1)[0][0] for generation, seen in lists.items()}
    return [
        replace(one, ending=Ending.DRIFT, detail=_OTHER_LIST, hint=_HINTS[Ending.DRIFT])
        if one.good and one.look and one.look.manifest != usual[one.generation]
        else one
        for one in found
    ]


def groups(reports: Iterable[Report]) -> list[dict[str, Any]]:
    """Equal nodes together: trouble first, the most frequent at the top."""
    names: defaultdict[tuple[bool, str, str, str, str, str], list[str]] = defaultdict(list)
    for one in reports:
        key = (one.good, one.ending.value, one.generation or "", one.before or "", one.detail, one.hint)
        names[key].append(one.node)
    ordered = sorted(names, key=lambda key: (key[0], -len(names[key]), key))
    return [
        {
            "outcome": ending,
            "generation": generation or None,
            "before": before or None,
            "nodes": fold(names[good, ending, generation, before, detail, hint]),
            "count": len(names[good, ending, generation, before, detail, hint]),
            "detail": detail,
            "hint": hint,
        }
        for good, ending, generation, before, detail, hint in ordered
    ]
