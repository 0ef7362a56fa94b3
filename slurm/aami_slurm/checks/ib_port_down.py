"""ib-port-down: an InfiniBand port with a cable and a link that isn't active, or a listed one that isn't up."""

from aami_slurm.checks._reading import Garbled, each, rows, say, texts, word
from aami_slurm.finding import WARN
from aami_slurm.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from aami_slurm.facts import Facts
    from aami_slurm.finding import Finding

NAME = "ib-port-down"
NEEDS = ("infiniband",)
PHASES = ("health",)
# ports: `mlx5_0` (its port 1) or `mlx5_0/2`, which must be there and active, of any link layer.
DEFAULTS = {"budget_s": 3.0, "effect": "allow-and-record", "limits": {"ports": []}}

CODE = "ib-port"
UP, LINKED, LAYER = "active", "linkup", "infiniband"


def check(facts: "Facts", limits: "Dict[str, Any]") -> "List[Finding]":
    seen = set()

    def judge(row: "Dict[str, Any]") -> "List[Finding]":
        wanted = _wanted(limits)
        name = "%s/%s" % (plain(word(row, "device") or "?", 32), plain(str(row.get("port")), 8))
        seen.add(name)
        state, physical = _state(row, "state"), _state(row, "phys_state")
        if state is None:
            raise Garbled("state of %s: nothing" % name)
        expected = name in wanted or ((word(row, "link_layer") or "").lower() == LAYER and physical == LINKED)
        if state == UP or not expected:
            return []
        words = "port %s is %s (%s)" % (name, plain(state, 20), plain(physical or "link not told", 20))
        raw = "%s state=%s phys_state=%s rate=%s" % (
            name,
            row["state"],
            row.get("phys_state"),
            row.get("rate"),
        )
        return [say(facts, WARN, words, source="sysfs", raw=raw, code=CODE)]

    def absent(row: "Dict[str, Any]") -> "List[Finding]":
        words = "port %s is not there" % plain(row["port"], 40)
        return [say(facts, WARN, words, source="sysfs", raw=words, code=CODE)]

    found = each(facts, "sysfs", lambda: rows({"ports": facts.infiniband}, "ports"), judge)
    if any(one.outcome != WARN for one in found):
        return found  # what could not be read is not therefore absent
    return found + each(
        facts, "sysfs", lambda: [{"port": port} for port in _wanted(limits) if port not in seen], absent
    )


def _wanted(limits: "Dict[str, Any]") -> "List[str]":
    return [port if "/" in port else port + "/1" for port in texts(limits, "ports", [])]


def _state(row: "Dict[str, Any]", key: "str") -> "Any":
    """As sysfs says it: `4: ACTIVE`, `5: LinkUp`."""
    told = word(row, key)
    return None if told is None else told.rpartition(":")[2].strip().lower()
